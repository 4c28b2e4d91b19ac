// From key expressions, charter id and T to the output of a pledge: PROTOCOL, section 4.

import { base58check } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';
import { Script, ScriptNum, p2tr, taprootListToTree } from '@scure/btc-signer';
import { keyAggregate, sortKeys } from '@scure/btc-signer/musig2.js';
import { integer } from './compare.mjs';
import { bytes, child, extendedKey, hex, memo, networkOf, utf8, xOnly, xpubOf } from './keys.mjs';

const MAX_GENERATION = 999;
const MAX_INDEX = 2 ** 31 - 1;
const MAX_TIME = 2 ** 31 - 1;
// BIP328: SHA-256 of this text.
const CHAIN_CODE = sha256(utf8('MuSig2MuSig2MuSig2'));

// BIP328: version, depth 0, no parent, child 0, chain code, key.
function syntheticXpub(aggregate, network) {
  const data = new Uint8Array(78);
  new DataView(data.buffer).setUint32(0, network.versions.public);
  data.set(CHAIN_CODE, 13);
  data.set(aggregate, 45);
  return base58check(sha256).encode(data);
}

// The first 124 bits of a charter id as four steps of 31 bits.
export function charterSteps(id) {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new Error('charter_id: not 64 lower-case hex digits');
  const bits = BigInt(`0x${id.slice(0, 31)}`);
  return [93n, 62n, 31n, 0n].map((shift) => Number((bits >> shift) & 0x7fffffffn));
}

// BIP380, section Checksum.
function checksum(body) {
  const inputs =
    '0123456789()[],\'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#"\\ ';
  const outputs = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
  const generators = [0xf5dee51989n, 0xa9fdca3312n, 0x1bab10e32dn, 0x3706b1677an, 0x644d626ffdn];
  let state = 1n;
  const push = (symbol) => {
    const top = state >> 35n;
    state = ((state & 0x7ffffffffn) << 5n) ^ BigInt(symbol);
    generators.forEach((generator, i) => { if ((top >> BigInt(i)) & 1n) state ^= generator; });
  };
  let group = 0;
  let members = 0;
  for (const character of body) {
    const at = inputs.indexOf(character);
    if (at < 0) throw new Error(`no descriptor has the character ${character}`);
    push(at & 31);
    group = group * 3 + (at >> 5);
    members += 1;
    if (members === 3) {
      push(group);
      group = 0;
      members = 0;
    }
  }
  if (members > 0) push(group);
  for (let i = 0; i < 8; i += 1) push(0);
  state ^= 1n;
  return Array.from({ length: 8 }, (_, i) => outputs[Number((state >> BigInt(5 * (7 - i))) & 31n)]).join('');
}

const withChecksum = (body) => `${body}#${checksum(body)}`;

// Everything about one output. `sponsor` is hex, or null for the open address.
export const output = memo(compute);

function compute({ network, signers, charterId, refundTime, generation, index, sponsor }) {
  const net = networkOf(network);
  integer(generation, MAX_GENERATION, 'generation');
  integer(index, MAX_INDEX, 'index');
  integer(refundTime, MAX_TIME, 'refund_time');
  if ((sponsor === null) !== (index === 0)) throw new Error('sponsor_key: absent for index 0 and for no other');
  if (sponsor === null && generation !== 0) throw new Error('generation: the open address has only generation 0');

  const accounts = signers.map((signer) => extendedKey(xpubOf(signer), net));
  const [developer, representative] = accounts;
  const sorted = sortKeys([developer.publicKey, representative.publicKey]);
  const aggregate = keyAggregate(sorted).aggPublicKey.toBytes(true);
  const synthetic = syntheticXpub(aggregate, net);
  const steps = charterSteps(charterId);
  const internal = xOnly(child(extendedKey(synthetic, net), ...steps, generation, index));

  const keys = accounts.map((account) => xOnly(child(account, generation, index)));
  const [d, r, a] = keys.map(bytes);
  const cooperative = Script.encode([d, 'CHECKSIG', r, 'CHECKSIGADD', a, 'CHECKSIGADD', 'OP_2', 'NUMEQUAL']);
  const leaves = [{ script: cooperative }];
  let refund = null;
  if (sponsor !== null) {
    const time = ScriptNum().encode(BigInt(refundTime));
    refund = Script.encode([bytes(sponsor), 'CHECKSIGVERIFY', time, 'CHECKLOCKTIMEVERIFY']);
    leaves.push({ script: refund });
  }
  const payment = p2tr(bytes(internal), taprootListToTree(leaves), net.addresses, true);

  const tree = (signerKeys) => {
    const leaf = `multi_a(2,${signerKeys.join(',')})`;
    return sponsor === null ? leaf : `{${leaf},and_v(v:pk(${sponsor}),after(${refundTime}))}`;
  };
  const musig = `musig(${signers[0]},${signers[1]})/${steps.join('/')}/${generation}/${index}`;
  return {
    payment,
    refund,
    fields: {
      aggregate_key: hex(aggregate),
      synthetic_xpub: synthetic,
      internal_key: internal,
      cooperative_leaf: hex(cooperative),
      refund_leaf: refund === null ? null : hex(refund),
      descriptor: withChecksum(`tr(${internal},${tree(keys)})`),
      musig_descriptor: withChecksum(`tr(${musig},${tree(signers.map((key) => `${key}/${generation}/${index}`))})`),
      script_pubkey: hex(payment.script),
      address: payment.address,
    },
  };
}
