// The four chains a charter can live on, and what differs between them.

import { refuse } from './error.ts';

export type NetworkName = 'mainnet' | 'testnet4' | 'signet' | 'regtest';

const DAY_SECS = 86_400;

export interface Network {
  readonly name: NetworkName;
  /** Human-readable part of its bech32 addresses. */
  readonly hrp: string;
  /** Version bytes of base58 addresses. */
  readonly p2pkh: number;
  readonly p2sh: number;
  /** Version byte of WIF keys. */
  readonly wif: number;
  /** Versions of extended keys (BIP32). */
  readonly versions: { readonly private: number; readonly public: number };
  /** SLIP-44. */
  readonly coinType: 0 | 1;
  /** Refund times lie on this grid. */
  readonly gridSecs: number;
  readonly gridOffsetSecs: number;
  /** How long before T nothing new is started. */
  readonly cutoffSecs: number;
  readonly minReviewSecs: number;
  readonly minRulingSecs: number;
}

const TEST = { p2pkh: 111, p2sh: 196, wif: 239, versions: { private: 0x04358394, public: 0x043587cf }, coinType: 1 } as const;
// Mondays, 00:00 UTC: 1970-01-05 was one.
const WEEKLY = {
  gridSecs: 7 * DAY_SECS, gridOffsetSecs: 4 * DAY_SECS, cutoffSecs: 3 * DAY_SECS,
  minReviewSecs: 7 * DAY_SECS, minRulingSecs: 14 * DAY_SECS,
} as const;
const MINUTES = { gridSecs: 60, gridOffsetSecs: 0, cutoffSecs: 60, minReviewSecs: 0, minRulingSecs: 0 } as const;

export const NETWORKS: Readonly<Record<NetworkName, Network>> = {
  mainnet: {
    name: 'mainnet', hrp: 'bc', p2pkh: 0, p2sh: 5, wif: 128, versions: { private: 0x0488ade4, public: 0x0488b21e }, coinType: 0,
    ...WEEKLY,
  },
  testnet4: { name: 'testnet4', hrp: 'tb', ...TEST, ...WEEKLY },
  signet: { name: 'signet', hrp: 'tb', ...TEST, ...WEEKLY },
  regtest: { name: 'regtest', hrp: 'bcrt', ...TEST, ...MINUTES },
};

export const isNetworkName = (name: unknown): name is NetworkName =>
  typeof name === 'string' && Object.hasOwn(NETWORKS, name);

export function networkOf(name: unknown, field = 'network'): Network {
  if (isNetworkName(name)) return NETWORKS[name];
  return refuse('network', field, `${field} is none of mainnet, testnet4, signet, regtest`);
}
