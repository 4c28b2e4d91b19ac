// Address cases: every result recomputed from the inputs, and the inputs are those of a charter of the file.

import { equal, equalFields, exactKeys } from './compare.mjs';
import { output } from './contract.mjs';

const INPUTS = [
  'network', 'developer', 'representative', 'arbiter', 'charter_id', 'refund_time', 'generation', 'index', 'sponsor_key',
];

export function checkAddress(vectors, item, name) {
  const found = vectors.charters.find((charter) => charter.id === item.charter_id);
  if (!found) throw new Error(`${name}.charter_id: no charter of this id`);
  const terms = JSON.parse(found.text);
  equal(terms.network, item.network, `${name}.network`);
  equal(terms.refund_time, item.refund_time, `${name}.refund_time`);
  for (const role of ['developer', 'representative', 'arbiter']) equal(terms[role].key, item[role], `${name}.${role}`);
  const { fields } = output({
    network: item.network,
    signers: [item.developer, item.representative, item.arbiter],
    charterId: item.charter_id,
    refundTime: item.refund_time,
    generation: item.generation,
    index: item.index,
    sponsor: item.sponsor_key,
  });
  exactKeys(item, [...INPUTS, ...Object.keys(fields)], name);
  equalFields(fields, item, name);
}
