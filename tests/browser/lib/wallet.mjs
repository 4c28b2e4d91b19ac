// A sponsor's own wallet, which signs PSBTs and tells its keys to nobody: one of the node's, apart from the miner's.

const SIGHASHES = { pair: 'SINGLE|ANYONECANPAY', rung: 'DEFAULT' };

export class Wallet {
  static async make(node, name) {
    const wallet = Object.assign(new Wallet(), { node, name });
    await node.rpc('createwallet', name);
    return wallet;
  }

  call(method, ...params) {
    return this.node.rpcOf(this.name, method, ...params);
  }

  address() {
    return this.call('getnewaddress', '', 'bech32m');
  }

  /** A fresh key as its person copies it: `[fingerprint/86h/1h/0h/0/i]KEY`, and the key alone, x-only. */
  async key() {
    const { desc } = await this.call('getaddressinfo', await this.address());
    const [, text, key] = /^tr\((\[[0-9a-f]{8}(?:\/\d+h?)+\]([0-9a-f]{64}))\)/.exec(desc);
    return { text, key };
  }

  /** What would spend everything in it. */
  async extendedPrivateKey() {
    const { descriptors } = await this.call('listdescriptors', true);
    return /tprv[1-9A-HJ-NP-Za-km-z]{100,}/.exec(descriptors.find(({ desc }) => desc.startsWith('tr(')).desc)[0];
  }

  /** The words of a statement (BIP322), signed. */
  async signStatement(psbt) {
    return (await this.call('walletprocesspsbt', psbt)).psbt;
  }

  /** Parts of a refund, the pair first, as the page gives them; signed, and left for the page to put together. */
  async signRefund(psbts) {
    const signed = [];
    for (const [at, psbt] of psbts.entries()) {
      signed.push((await this.call('walletprocesspsbt', psbt, true, at === 0 ? SIGHASHES.pair : SIGHASHES.rung, true, false)).psbt);
    }
    return signed;
  }
}
