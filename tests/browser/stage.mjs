// The stage of the browser tests: a real node, a real Electrum server, `upfront serve`, three signers whose keys the
// command line made, tasks that they attested, and a payer who knows nothing but addresses. Tests share one stage and make
// tasks of their own; time, the node's mock time, only goes forward.
//
// Needs BITCOIND_EXE and ELECTRS_EXE, as `regtest/test` sets them, and UPFRONT_EXE or target/debug/upfront.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Node, startElectrs } from './lib/node.mjs';
import { directory, eventually, run, stopEverything } from './lib/processes.mjs';
import { Service } from './lib/service.mjs';

export const ROOT = resolve(import.meta.dirname, '../..');
const ROLES = ['developer', 'representative', 'arbiter'];
const DAY_SECS = 86_400;
/** Network fees of all refunds that a stage ever pays. */
const FEES_SAT = 1_000_000;

function program() {
  const path = resolve(process.env.UPFRONT_EXE ?? join(ROOT, 'target/debug/upfront'));
  if (!existsSync(path)) throw new Error(`${path} is not there: cargo build, or name it in UPFRONT_EXE`);
  return path;
}

export class Stage {
  services = [];
  #accounts = 0;
  #files = 0;

  /** Node, Electrum server and one service with a funded fee wallet. */
  static async start() {
    const stage = new Stage();
    stage.program = program();
    stage.dir = directory();
    stage.keys = join(stage.dir, 'keys');
    mkdirSync(stage.keys);
    // A day ago, on the grid of T: however far the tests move it, the chain's time stays behind the clock on the wall.
    const begin = Math.floor((Date.now() / 1000 - DAY_SECS) / 60) * 60;
    stage.node = await Node.start(stage.dir, begin);
    stage.electrs = await startElectrs(stage.dir, stage.node);
    stage.service = await stage.startService('service');
    for (const name of [...ROLES, 'leader']) await stage.newKey(name);
    return stage;
  }

  /** Another service on the same chain; with `publicUrl`, one that people reach through somebody else; with `faucet`, one of play. */
  async startService(name, { publicUrl, faucet = false } = {}) {
    const service = await Service.prepare(this.program, this.dir, name, { electrum: this.electrs.url, publicUrl, faucet: faucet && this.node });
    await this.node.send(service.feeAddress, FEES_SAT);
    await this.node.generate(1);
    await service.start();
    this.services.push(service);
    await this.synced();
    return service;
  }

  /** Stops one of the services for good; its data stays until the end. */
  async stopService(service) {
    await service.stop();
    this.services = this.services.filter((other) => other !== service);
  }

  /** Address of the service that browsers talk to directly. */
  get url() {
    return this.service.url;
  }

  async stop() {
    await stopEverything();
  }

  // ---- the command line

  /** Runs `upfront --json ARGS`; the answer. Options: which service, and the exit code it must end with. */
  async cli(...args) {
    return this.cliAt(this.service, ...args);
  }

  async cliAt(service, ...args) {
    const { code, stdout, stderr } = await run(this.program, ['--json', ...args], {
      env: { UPFRONT_SERVER: service.publicUrl, UPFRONT_NETWORK: 'regtest', UPFRONT_ELECTRUM: this.electrs.url },
    });
    if (code !== 0) throw new Error(`upfront ${args.join(' ')} ended with ${code}: ${stderr.trim()}`);
    return JSON.parse(stdout.trim().split('\n').at(-1));
  }

  /** What the command line makes of a recovery file, asking the chain and no service; exit code 3 is "not yet". */
  async recover(file, ...args) {
    const { code, stdout, stderr } = await run(this.program, ['--json', 'recover', file, '--electrum', this.electrs.url, ...args], {
      env: { UPFRONT_SERVER: 'http://127.0.0.1:9' },
    });
    if (code !== 0 && code !== 3) throw new Error(`upfront recover ended with ${code}: ${stderr.trim()}`);
    return JSON.parse(stdout.trim().split('\n').at(-1));
  }

  /** A file of the stage's that is not there yet. */
  file(name) {
    this.#files += 1;
    return join(this.dir, `${this.#files}-${name}`);
  }

  key(name) {
    return join(this.keys, name);
  }

  /** A phrase for somebody, in `key(name)`, not encrypted: it guards play money. */
  async newKey(name) {
    await this.cli('key', 'new', '--out', this.key(name), '--network', 'regtest', '--no-passphrase');
  }

  /** Somebody's twelve words. */
  async words(name) {
    const answer = await this.cli('key', 'show', this.key(name), '--words', '--force');
    return answer.words;
  }

  // ---- tasks

  /**
   * Writes a task down and, unless told otherwise, has all three attest it.
   *
   * Options: `title`; `text`; `service`; `refundIn`, `fundingCloseIn`, `workDeadlineIn`, `review`, `ruling` (spans);
   * `depth`; `target_sat`, `cap_sat`, `minimum_sat`; `payees` ({ address: bps }); `attest` (roles); `more` (arguments).
   */
  async newTask(options = {}) {
    const service = options.service ?? this.service;
    const account = this.#accounts;
    this.#accounts += 1;
    const title = options.title ?? `Survive truncated input, part ${account + 1}`;
    const text = this.file('task.md');
    writeFileSync(text, options.text ?? `# ${title}\n\nNo panic on any prefix of a valid file; a test for each.\n`);
    const payees = options.payees ?? { [await this.node.address()]: 10_000 };
    const charterFile = this.file('charter.json');
    const keys = {};
    for (const role of ROLES) keys[role] = await this.signerKey(role, account);
    await this.cliAt(service, 'charter', 'new', '--text', text, '--out', charterFile,
      '--repository', options.repository ?? 'https://example.org/parser', '--licence', 'MIT',
      ...ROLES.flatMap((role) => [`--${role}`, keys[role]]),
      '--refund-in', options.refundIn ?? '2h', '--funding-close-in', options.fundingCloseIn ?? '30m',
      '--work-deadline-in', options.workDeadlineIn ?? '1h', '--review', options.review ?? '10m',
      '--ruling', options.ruling ?? '10m', '--depth', String(options.depth ?? 1),
      '--target-sat', String(options.target_sat ?? 1_000_000), '--cap-sat', String(options.cap_sat ?? 2_000_000),
      '--minimum-pledge-sat', String(options.minimum_sat ?? 10_000),
      ...Object.entries(payees).flatMap(([address, bps]) => ['--payee', `${address}:${bps}`]),
      ...(options.more ?? []));
    const charter = JSON.parse(readFileSync(charterFile, 'utf8'));
    const { task: id } = await this.cliAt(service, 'task', 'create', '--charter', charterFile, '--text', text,
      '--identity', this.key('leader'));
    const task = { id, title, account, keys, charter, charterFile, text, service, T: charter.refund_time, payees };
    for (const role of options.attest ?? ROLES) await this.attest(task, role);
    if (!options.attest) await eventually('the task opens', async () => (await this.view(task)).stage === 'open');
    return task;
  }

  /** A signer's key expression for a task of this account. */
  async signerKey(role, account) {
    const shown = await this.cli('key', 'show', this.key(role), '--account', String(account));
    return shown.signer_key;
  }

  attest(task, role) {
    return this.cliAt(task.service, 'charter', 'attest', '--task', task.id, '--role', role, '--key', this.key(role),
      '--account', String(task.account), '--send');
  }

  /** The task as its service tells it. */
  view(task) {
    return task.service.get(`/api/v1/tasks/${task.id}`);
  }

  pledgeView(task, index) {
    return task.service.get(`/api/v1/tasks/${task.id}/pledges/${index}`);
  }

  /** Waits until a pledge is as the function wants it. */
  pledgeIs(task, index, what, holds) {
    return eventually(`pledge ${index} ${what}`, async () => {
      const view = await this.pledgeView(task, index);
      return holds(view) && view;
    });
  }

  /** A sponsor's pledge by the command line: its answer, and the recovery file. */
  async pledge(task, amount_sat, name = 'sponsor') {
    if (!existsSync(this.key(name))) await this.newKey(name);
    const recovery = this.file('recovery.json');
    const answer = await this.cliAt(task.service, 'pledge', task.id, '--amount', String(amount_sat),
      '--key', this.key(name), '--recovery', recovery, '--no-qr');
    return { ...answer, recovery, name };
  }

  /** Hands in the refunds of all that arrived at a sponsor's pledge of the command line. */
  secure(task, pledged) {
    return this.cliAt(task.service, 'pledge', 'secure', task.id, '--key', this.key(pledged.name),
      '--recovery', pledged.recovery);
  }

  /** A pledge that is paid, mined and secured. */
  async pledgePaid(task, amount_sat, name = 'sponsor') {
    const pledged = await this.pledge(task, amount_sat, name);
    pledged.txid = await this.pay(pledged.address, amount_sat);
    await this.mine(1);
    await this.secure(task, pledged);
    return pledged;
  }

  /** The developer's submission of a task, or of one of its milestones, from 1; its id. */
  async submit(task, link = 'https://example.org/parser/pull/7', { milestone } = {}) {
    const content = this.file('work.txt');
    writeFileSync(content, `${link} at 5d41402a\n`);
    const answer = await this.cliAt(task.service, 'submission', 'create', task.id, '--link', link,
      '--content', content, '--key', this.key('developer'), '--account', String(task.account),
      ...(milestone === undefined ? [] : ['--milestone', String(milestone)]));
    return answer.id;
  }

  vote(task, pledged, choice) {
    return this.cliAt(task.service, 'vote', task.id, '--pledge', String(pledged.index), '--choice', choice,
      '--key', this.key(pledged.name));
  }

  /** The representative accepts the last submission. */
  accept(task) {
    return this.cliAt(task.service, 'accept', task.id, '--key', this.key('representative'), '--account', String(task.account));
  }

  rule(task, pay_bps) {
    return this.cliAt(task.service, 'ruling', task.id, '--pay-bps', String(pay_bps), '--key', this.key('arbiter'),
      '--account', String(task.account));
  }

  /** Proposes a settlement (`payout`, `milestone`, `ruling`, `early-return`); its id. */
  async propose(task, kind, feerate_sat_per_vb = 2) {
    const answer = await this.cliAt(task.service, 'settlement', 'propose', task.id, '--kind', kind,
      '--feerate', String(feerate_sat_per_vb), '--identity', this.key('leader'));
    return answer.id;
  }

  coSign(task, settlement, role) {
    return this.cliAt(task.service, 'settlement', 'co-sign', task.id, settlement, '--role', role,
      '--key', this.key(role), '--account', String(task.account), '--yes');
  }

  settlementView(task, settlement) {
    return task.service.get(`/api/v1/tasks/${task.id}/settlements/${settlement}`);
  }

  eventually(what, ask) {
    return eventually(what, ask);
  }

  // ---- money and time

  /** Pays from the node's own wallet; the txid. */
  pay(address, amount_sat) {
    return this.node.send(address, amount_sat);
  }

  /** Mines, and waits until every service knows. */
  async mine(blocks = 1) {
    await this.node.generate(blocks);
    await this.synced();
  }

  async synced() {
    for (const service of this.services) if (service.runs) await service.synced(this.node);
  }

  /** Brings the median time past to exactly `secs`, and waits until every service knows. */
  async setTime(secs) {
    await this.node.setMtp(secs);
    await this.synced();
  }

  /** To the first moment at which a refund of the task is final. */
  pastRefundTime(task) {
    return this.setTime(task.T + 1);
  }

  /** To the first moment after the review window of the task's last submission. */
  async pastReview(task) {
    const closes = (await this.view(task)).submissions.at(-1).window.closes_secs;
    await this.setTime(closes + 1);
  }
}
