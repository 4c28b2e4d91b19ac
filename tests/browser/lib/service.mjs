// `upfront serve` as a child process with settings of its own. Several may run against one chain: one that browsers talk
// to directly, one behind a liar, one that is gone for good.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, freePort, lastWords, run, start, stop } from './processes.mjs';

export class Service {
  constructor(program, dir, name, { electrum, publicUrl, port }) {
    Object.assign(this, { program, name, electrum, port });
    this.dir = join(dir, name);
    this.data = join(this.dir, 'data');
    this.log = join(dir, `${name}.log`);
    this.settings = join(this.dir, 'upfront.toml');
    this.url = `http://127.0.0.1:${port}`;
    this.publicUrl = publicUrl ?? this.url;
  }

  /** Writes settings and fee wallet; does not start it. With `faucet`, a node, whoever asks may mine and pay there. */
  static async prepare(program, dir, name, { electrum, publicUrl, faucet }) {
    const service = new Service(program, dir, name, { electrum, publicUrl, port: await freePort() });
    mkdirSync(service.data, { recursive: true });
    const settings = {
      network: 'regtest',
      data_dir: service.data,
      listen: `127.0.0.1:${service.port}`,
      public_url: service.publicUrl,
      electrum,
    };
    const lines = (table) => Object.entries(table).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join('');
    const section = faucet ? `[faucet]\n${lines({ rpc_url: faucet.rpcUrl, cookie_file: faucet.cookie, wallet: faucet.wallet })}` : '';
    writeFileSync(service.settings, lines(settings) + section);
    await service.tool('wallet', 'new', '--no-passphrase');
    service.feeAddress = (await service.tool('wallet', 'address', '--no-qr')).address;
    return service;
  }

  /** A command of the operator's, on this service's settings. */
  async tool(...args) {
    const { code, stdout, stderr } = await run(this.program, ['--json', ...args, '--config', this.settings]);
    if (code !== 0) throw new Error(`upfront ${args.join(' ')} ended with ${code}: ${stderr.trim()}`);
    return JSON.parse(stdout);
  }

  /** Returns when it answers. */
  async start() {
    this.process = start(this.name, this.program, ['serve', '--config', this.settings], { log: this.log, env: { NO_COLOR: '1' } });
    await eventually(`the service "${this.name}" answers`, () => {
      if (this.process.ended) throw new Error(lastWords(this.process));
      return this.get('/api/v1/status').then(({ tip }) => tip);
    });
  }

  async stop() {
    if (this.process) await stop(this.process);
    this.process = undefined;
  }

  get runs() {
    return this.process !== undefined && !this.process.ended;
  }

  /** JSON of the service, asked directly, whoever stands in front of it. */
  async get(path) {
    const response = await fetch(this.url + path, { headers: { accept: 'application/json' } });
    if (!response.ok) throw new Error(`GET ${path}: HTTP ${response.status}`);
    return response.json();
  }

  /** Waits until it knows the node's tip. */
  async synced(node) {
    const tip = await node.tip();
    await eventually(`the service "${this.name}" knows the node's tip`, async () => (await this.get('/api/v1/status')).tip?.hash === tip);
  }
}
