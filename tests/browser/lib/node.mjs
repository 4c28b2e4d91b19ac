// A regtest node with a wallet, an Electrum server beside it, and a clock that the tests set. The wallet is the miner's
// and that of everybody who pays: it knows nothing of the service.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { eventually, executable, freePort, lastWords, start } from './processes.mjs';

const WALLET = 'w';
/** Ten of them mature: as many payments need not wait for each other. */
const FIRST_BLOCKS = 110;

/** An amount of the node's, in bitcoins with eight places, as satoshis. */
export const satoshis = (bitcoins) => Number(bitcoins.toFixed(8).replace('.', ''));
/** Satoshis as the node reads amounts: text, so that no number is ever rounded. */
export function bitcoins(amount_sat) {
  const digits = String(amount_sat).padStart(9, '0');
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`;
}

export class Node {
  /** A node whose clock starts at `mocktime`, Unix seconds. */
  static async start(dir, mocktime) {
    const node = new Node();
    node.dir = join(dir, 'bitcoind');
    mkdirSync(node.dir);
    const program = executable('BITCOIND_EXE');
    // Knots has rules of its own, and stops at a date that mock time may pass.
    const knots = execFileSync(program, ['-version'], { encoding: 'utf8' }).includes('Knots');
    [node.rpcPort, node.p2pPort] = [await freePort(), await freePort()];
    node.process = start('bitcoind', program, [
      '-regtest', '-server', `-datadir=${node.dir}`, `-rpcport=${node.rpcPort}`, `-bind=127.0.0.1:${node.p2pPort}`,
      '-rpcbind=127.0.0.1', '-rpcallowip=127.0.0.1', `-mocktime=${mocktime}`,
      '-listenonion=0', '-natpmp=0', '-discover=0', '-dnsseed=0', '-fixedseeds=0', '-printtoconsole=0',
      '-addresstype=bech32m', '-fallbackfee=0.00001', '-txindex=1', '-dbcache=16',
      // A jump of mock time must not look as if electrs had been silent for days.
      '-peertimeout=999999999', '-maxtipage=999999999',
      ...(knots ? ['-corepolicy=1', '-mempooltruc=enforce', '-softwareexpiry=0'] : []),
    ], { log: join(dir, 'bitcoind.log') });
    await eventually('bitcoind answers', () => {
      if (node.process.ended) throw new Error(lastWords(node.process));
      return node.rpc('getblockcount').then(() => true);
    }, 30_000);
    await node.rpc('createwallet', WALLET);
    await node.generate(FIRST_BLOCKS);
    return node;
  }

  /** One call; a refusal is an Error with the node's words. */
  rpc(method, ...params) {
    return this.rpcOf(WALLET, method, ...params);
  }

  /** The same of another wallet than the miner's. */
  async rpcOf(wallet, method, ...params) {
    const cookie = readFileSync(this.cookie, 'utf8');
    // Only what needs the wallet exists below its path before it is made.
    const path = method === 'createwallet' || method === 'getblockcount' ? '' : `wallet/${wallet}`;
    const response = await fetch(`${this.rpcUrl}/${path}`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(cookie).toString('base64')}` },
      body: JSON.stringify({ jsonrpc: '1.0', id: 0, method, params }),
    });
    const text = await response.text();
    if (text === '') throw new Error(`${method}: HTTP ${response.status}`);
    const { result, error } = JSON.parse(text);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** User and password of its RPC, as the node writes them. */
  get cookie() {
    return join(this.dir, 'regtest/.cookie');
  }

  get rpcUrl() {
    return `http://127.0.0.1:${this.rpcPort}`;
  }

  /** The miner's. */
  get wallet() {
    return WALLET;
  }

  address() {
    return this.rpc('getnewaddress');
  }

  async generate(blocks) {
    return this.rpc('generatetoaddress', blocks, await this.address());
  }

  height() {
    return this.rpc('getblockcount');
  }

  tip() {
    return this.rpc('getbestblockhash');
  }

  /** Median time past of the tip (BIP113). */
  async mtp() {
    return (await this.rpc('getblockchaininfo')).mediantime;
  }

  /** Pays from the wallet; the txid. */
  send(address, amount_sat) {
    return this.rpc('sendtoaddress', address, bitcoins(amount_sat));
  }

  /** The transaction, with amounts in satoshis. */
  async transaction(txid) {
    const found = await this.rpc('getrawtransaction', txid, 2);
    return {
      txid: found.txid,
      confirmations: found.confirmations ?? 0,
      locktime: found.locktime,
      inputs: found.vin.map(({ txid: of, vout, txinwitness }) => ({ outpoint: `${of}:${vout}`, witness: txinwitness })),
      outputs: found.vout.map(({ value, scriptPubKey }) => ({
        address: scriptPubKey.address,
        amount_sat: satoshis(value),
      })),
    };
  }

  /** The output of `txid` that pays `address`, as `txid:vout`. */
  async outpoint(txid, address) {
    const vout = (await this.transaction(txid)).outputs.findIndex((output) => output.address === address);
    if (vout < 0) throw new Error(`${txid} does not pay ${address}`);
    return `${txid}:${vout}`;
  }

  /** Is it in the mempool? */
  inMempool(txid) {
    return this.rpc('getmempoolentry', txid).then(() => true, () => false);
  }

  /** The same payment at a higher feerate (BIP125): the new txid. */
  async bumpFee(txid, feerate_sat_per_vb = 20) {
    return (await this.rpc('bumpfee', txid, { fee_rate: feerate_sat_per_vb })).txid;
  }

  /** Another payment in the place of an unconfirmed one, which spends the same inputs: the new txid. */
  async replace(txid, address, amount_sat, feerate_sat_per_vb = 50) {
    const outputs = [{ [address]: bitcoins(amount_sat) }];
    return (await this.rpc('bumpfee', txid, { fee_rate: feerate_sat_per_vb, outputs })).txid;
  }

  /** Confirmed satoshis at an address, by the node's own set of unspent outputs. */
  async unspent(address) {
    const { total_amount: total } = await this.rpc('scantxoutset', 'start', [`addr(${address})`]);
    return satoshis(total);
  }

  /** Mines six blocks of one time: the median of eleven is then exactly that. */
  async setMtp(secs) {
    await this.rpc('setmocktime', secs);
    await this.generate(6);
    const found = await this.mtp();
    if (found !== secs) throw new Error(`the median time past is ${found} and should be ${secs}`);
  }
}

/** Starts electrs beside the node; `tcp://host:port`. */
export async function startElectrs(dir, node) {
  const [port, monitoring] = [await freePort(), await freePort()];
  const db = join(dir, 'electrs');
  mkdirSync(db);
  const server = start('electrs', executable('ELECTRS_EXE'), [
    '--skip-default-conf-files', '--network', 'regtest', '--log-filters', 'WARN', '--wait-duration-secs', '1',
    '--daemon-dir', node.dir, '--daemon-rpc-addr', `127.0.0.1:${node.rpcPort}`,
    '--daemon-p2p-addr', `127.0.0.1:${node.p2pPort}`, '--db-dir', db,
    '--electrum-rpc-addr', `127.0.0.1:${port}`, '--monitoring-addr', `127.0.0.1:${monitoring}`,
  ], { log: join(dir, 'electrs.log') });
  await eventually('electrs answers', () => {
    if (server.ended) throw new Error(lastWords(server));
    return electrumHeight(port);
  }, 30_000);
  return { process: server, url: `tcp://127.0.0.1:${port}` };
}

// The version comes first: newer protocols answer nothing before it.
function electrumHeight(port) {
  const call = (id, method, params) => `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer')));
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      text += bytes;
      if (!text.includes('"height"')) return;
      socket.destroy();
      resolve(true);
    });
    socket.write(call(0, 'server.version', ['browser', ['1.4', '1.6']]));
    socket.write(call(1, 'blockchain.headers.subscribe', []));
  });
}
