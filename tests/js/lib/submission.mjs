// Submissions (for milestones, with named payees) and moves: lines, digest, signature, and who signs.

import { signMessage } from './bip322.mjs';
import { equal, equalFields, exactKeys, integer } from './compare.mjs';
import { output } from './contract.mjs';
import { child, extendedKey, hex, networkOf, refundKey, root, sign, taggedHash, utf8, xOnly, xpubOf } from './keys.mjs';

const HASH = /^[0-9a-f]{64}$/;
const U32 = 2 ** 32 - 1;

export function charterAt(vectors, at, name) {
  const { text, id } = vectors.charters[integer(at, vectors.charters.length - 1, name)];
  return { terms: JSON.parse(text), id };
}

export const payeeLines = (payees) =>
  payees.map(({ address, share_bps }) => `payee: ${address}, ${share_bps} bps\n`).join('');

const sumOf = (payees) => payees.reduce((sum, payee) => sum + payee.share_bps, 0);

// The key of whoever signs a submission, and the key of theirs that the charter knows.
function speaker(charter, item, by, network) {
  if (by === 'leader') return [refundKey(item.phrase, item.path, network), charter.leader?.key];
  const seat = charter[by];
  const account = /\/(\d+)h\]/.exec(seat.key)[1];
  equal(`m/87'/${network.coinType}'/${account}'/1000/0`, item.path, 'path');
  const known = child(extendedKey(xpubOf(seat.key), network), 1000, 0);
  return [root(item.phrase, network).derive(item.path), xOnly(known)];
}

export function checkSubmission(vectors, item, name) {
  const { terms: charter, id } = charterAt(vectors, item.charter, `${name}.charter`);
  const network = networkOf(charter.network);
  const said = item.statement;
  const several = charter.milestones.length > 1;
  exactKeys(said, [
    'network', 'charter', 'number', 'link', 'content', 'block_height', 'block_hash',
    ...(several ? ['milestone'] : []), ...(said.named === undefined ? [] : ['named']),
  ], `${name}.statement`);
  equal(charter.network, said.network, `${name}.statement.network`);
  equal(id, said.charter, `${name}.statement.charter`);
  for (const field of ['number', 'block_height']) integer(said[field], U32, `${name}.statement.${field}`);
  for (const field of ['content', 'block_hash']) {
    if (!HASH.test(said[field])) throw new Error(`${name}.statement.${field}: not 64 hex digits`);
  }
  let lines =
    `network: ${said.network}\ncharter: ${said.charter}\nnumber: ${said.number}\nlink: ${said.link}\n` +
    `content: ${said.content}\nblock height: ${said.block_height}\nblock hash: ${said.block_hash}\n`;
  if (several) {
    integer(said.milestone, charter.milestones.length - 1, `${name}.statement.milestone`);
    lines += `milestone: ${said.milestone}\n`;
  }
  let by = 'developer';
  if (said.named !== undefined) {
    exactKeys(said.named, ['by', 'payees'], `${name}.statement.named`);
    by = said.named.by;
    if (!['representative', 'leader'].includes(by)) throw new Error(`${name}.statement.named.by: unknown`);
    equal(sumOf(charter.payees), sumOf(said.named.payees), `${name}.statement.named.payees: their shares together`);
    lines += `${payeeLines(said.named.payees)}named by: ${by}\n`;
  }
  const [key, known] = speaker(charter, item, by, network);
  equal(known, xOnly(key), `${name}: the key of the ${by}`);
  const digest = taggedHash('upfront/submission', utf8(lines));
  const fields = { key: xOnly(key), lines, digest: hex(digest), signature: sign(digest, key.privateKey) };
  exactKeys(item, ['charter', 'statement', 'phrase', 'path', ...Object.keys(fields)], name);
  equalFields(fields, item, name);
}

// The address of pledge `index` under a charter, for the sponsor's key.
export function pledgeOutput({ terms, id }, generation, index, sponsor) {
  return output({
    network: terms.network,
    signers: [terms.developer.key, terms.representative.key, terms.arbiter.key],
    charterId: id,
    refundTime: terms.refund_time,
    generation,
    index,
    sponsor,
  });
}

export function checkMove(vectors, item, name) {
  const from = charterAt(vectors, item.charter, `${name}.charter`);
  const to = charterAt(vectors, item.to_charter, `${name}.to_charter`);
  const said = item.statement;
  exactKeys(said, ['network', 'charter', 'outpoint', 'to_charter', 'to_index', 'to_address'], `${name}.statement`);
  equal(from.terms.network, said.network, `${name}.statement.network`);
  equal(to.terms.network, said.network, `${name}.statement.network, of the other charter`);
  equal(from.id, said.charter, `${name}.statement.charter`);
  equal(to.id, said.to_charter, `${name}.statement.to_charter`);
  const key = refundKey(item.phrase, item.path, networkOf(said.network));
  const address = pledgeOutput(to, 0, said.to_index, xOnly(key)).fields.address;
  equal(address, said.to_address, `${name}.statement.to_address`);
  // The settlement that carries it out spends this outpoint of the same sponsor to this very address.
  const inputs = vectors.settlements
    .filter(({ terms }) => terms.for.kind === 'move' && terms.for.to === to.id && terms.charter === from.id)
    .flatMap(({ terms }) => terms.inputs);
  const input = inputs.find(({ outpoint }) => outpoint === said.outpoint);
  equal(address, input?.return_address, `${name}: where the settlement moves the outpoint`);
  equal(xOnly(key), input.sponsor_key, `${name}: whose outpoint it is`);
  const lines =
    `network: ${said.network}\ncharter: ${said.charter}\noutpoint: ${said.outpoint}\n` +
    `to charter: ${said.to_charter}\nto index: ${said.to_index}\nto address: ${said.to_address}\n`;
  const digest = taggedHash('upfront/move', utf8(lines));
  const fields = {
    key: xOnly(key),
    lines,
    digest: hex(digest),
    signature: sign(digest, key.privateKey),
    bip322_signature: signMessage('upfront/move', lines, hex(key.privateKey), xOnly(key)),
  };
  exactKeys(item, ['charter', 'to_charter', 'statement', 'phrase', 'path', ...Object.keys(fields)], name);
  equalFields(fields, item, name);
}
