// Claiming a project, and changing what was said of it, with the identity of this browser.

import { networkOf } from '../core/network.ts';
import { findSecret } from '../core/secret.ts';
import { signStatement } from '../core/signature.ts';
import { project, projectWithdrawal, type ProjectFields, type ProjectWithdrawalFields } from '../core/wish.ts';
import { ownClaim, type AboutProject, type OwnClaim } from '../say/wish.ts';
import { ServiceError, getPath } from '../ui/api.ts';
import { errorWords, identityPanel, type Identity } from '../ui/identity.ts';
import { sayer } from '../ui/page.ts';
import { EXTENSION, SECRET, post, signer } from '../ui/statements.ts';

const TEXTS = ['name', 'description', 'licence', 'arbiter', 'leader_address', 'leader_share_bps', 'minimum_pledge_sat', 'donations', 'published'] as const;

/** What this key has said of the project, if it has. That nobody has said anything of it is an answer; that none came is not. */
async function said(id: string, about: AboutProject, by: string): Promise<OwnClaim | null> {
  try {
    return ownClaim(about, by, await getPath(`/projects/${id}`));
  } catch (error) {
    if (error instanceof ServiceError && error.status === 404) return null;
    throw error;
  }
}

function setUp(form: HTMLFormElement): void {
  const field = (name: string): HTMLInputElement => form.elements.namedItem(name) as HTMLInputElement;
  const submit = form.querySelector<HTMLButtonElement>('button[type=submit]')!;
  const say = sayer(form.querySelector<HTMLElement>('#project-status')!);
  const id = form.dataset['project'] ?? '';
  const about: AboutProject = { network: networkOf(form.dataset['network'] ?? '').name, repository: form.dataset['repository'] ?? '' };
  // Opened first, so that one click beside the form’s own button withdraws nothing.
  const withdrawing = form.querySelector<HTMLDetailsElement>('#project-withdraw')!;
  const withdraw = withdrawing.querySelector<HTMLButtonElement>('button')!;
  let counter = 1;
  let claimed = false;

  const rest = (resting: boolean): void => {
    submit.disabled = resting;
    withdraw.disabled = resting || !claimed;
  };
  const look = (identity: Identity | null): void => {
    claimed = false;
    rest(true);
    withdrawing.hidden = true;
    withdrawing.open = false;
    if (identity === null) return say('Choose who signs.');
    if (identity.kind === 'extension') return say(EXTENSION, true);
    void said(id, about, identity.publicKey).then((own) => {
      counter = own?.counter ?? 1;
      for (const name of own === null ? [] : TEXTS) field(name).value = String(own!.settings[name] ?? '');
      if (own !== null) field('likes').checked = own.settings.likes;
      const words = own?.withdrawn === false ? 'This is what your key has said so far. Change what should be different.'
        : 'Your key has withdrawn its claim. Publish it again, and it stands behind those who claim it by now.';
      say(own === null ? '' : words);
      claimed = own !== null && !own.withdrawn;
      withdrawing.hidden = !claimed;
      rest(false);
    }).catch((error: unknown) => say(errorWords(error), true));
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = (name: string): string => field(name).value.trim();
    const orNone = (name: string): string | null => (text(name) === '' ? null : text(name));
    const number = (name: string): number => (/^\d{1,16}$/.test(text(name)) ? Number(text(name)) : Number.NaN);
    if (TEXTS.some((name) => findSecret(text(name)) !== null)) return say(SECRET, true);
    rest(true);
    say('Signing …');
    void (async () => {
      try {
        const key = await signer();
        const statement: ProjectFields = {
          ...about,
          name: text('name'), description: text('description'), licence: text('licence'), arbiter: orNone('arbiter'),
          leader_address: orNone('leader_address'), leader_share_bps: number('leader_share_bps'),
          minimum_pledge_sat: number('minimum_pledge_sat'), donations: orNone('donations'), likes: field('likes').checked,
          published: orNone('published'), by: key.publicKey, counter,
        };
        await post('/api/v1/projects', { statement, signature: signStatement(project(statement), key) });
        location.reload();
      } catch (error) {
        say(errorWords(error), true);
        rest(false);
      }
    })();
  });
  withdraw.addEventListener('click', () => {
    rest(true);
    say('Signing …');
    void (async () => {
      try {
        const key = await signer();
        const statement: ProjectWithdrawalFields = { ...about, by: key.publicKey, counter };
        await post(`/api/v1/projects/${id}/withdrawal`, { statement, signature: signStatement(projectWithdrawal(statement), key) });
        location.reload();
      } catch (error) {
        say(errorWords(error), true);
        rest(false);
      }
    })();
  });
  identityPanel(form.querySelector<HTMLElement>('#identity')!, look);
  form.hidden = false;
}

const form = document.querySelector<HTMLFormElement>('form#project-set');
if (form !== null) setUp(form);
