// Claiming a project, and changing what was said of it, with the identity of this browser.

import { networkOf } from '../core/network.ts';
import { findSecret } from '../core/secret.ts';
import { signStatement } from '../core/signature.ts';
import { project, projectWithdrawal, type ProjectFields, type ProjectWithdrawalFields } from '../core/wish.ts';
import { errorWords, identityPanel, type Identity } from '../ui/identity.ts';
import { sayer } from '../ui/page.ts';
import { EXTENSION, SECRET, post, signer } from '../ui/statements.ts';

/** What a key has said of a project. */
interface Own {
  readonly settings: Partial<Record<keyof ProjectFields, unknown>>;
  /** That it took its claim back. */
  readonly withdrawn: { readonly counter?: unknown } | null;
}
const TEXTS = ['name', 'description', 'licence', 'arbiter', 'leader_address', 'leader_share_bps', 'minimum_pledge_sat', 'donations', 'published'] as const;

/** What this key has said of the project, if it has. */
async function said(id: string, by: string): Promise<Own | null> {
  const response = await fetch(`/api/v1/projects/${id}`, { cache: 'no-store', credentials: 'omit' });
  const view = response.ok ? await response.json() as { claims?: { by?: unknown; settings?: Own['settings']; withdrawn?: Own['withdrawn'] }[] } : {};
  const claim = view.claims?.find((each) => each.by === by);
  return claim?.settings === undefined ? null : { settings: claim.settings, withdrawn: claim.withdrawn ?? null };
}

function setUp(form: HTMLFormElement): void {
  const field = (name: string): HTMLInputElement => form.elements.namedItem(name) as HTMLInputElement;
  const submit = form.querySelector<HTMLButtonElement>('button[type=submit]')!;
  const say = sayer(form.querySelector<HTMLElement>('#project-status')!);
  const id = form.dataset['project'] ?? '';
  const withdraw = form.querySelector<HTMLButtonElement>('#project-withdraw')!;
  let counter = 1;

  const look = (identity: Identity | null): void => {
    submit.disabled = withdraw.disabled = withdraw.hidden = true;
    if (identity === null) return say('Choose who signs.');
    if (identity.kind === 'extension') return say(EXTENSION, true);
    void said(id, identity.publicKey).then((own) => {
      counter = own === null ? 1 : Math.max(Number(own.settings.counter), Number(own.withdrawn?.counter ?? 0)) + 1;
      for (const name of own === null ? [] : TEXTS) field(name).value = own!.settings[name] === null ? '' : String(own!.settings[name]);
      if (own !== null) field('likes').checked = own.settings.likes === true;
      const words = own?.withdrawn === null ? 'This is what your key has said so far. Change what should be different.'
        : 'Your key has withdrawn its claim. Publish it again, and it stands behind those who claim it by now.';
      say(own === null ? '' : words);
      withdraw.hidden = withdraw.disabled = own === null || own.withdrawn !== null;
      submit.disabled = false;
    }).catch((error: unknown) => say(errorWords(error), true));
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = (name: string): string => field(name).value.trim();
    const orNone = (name: string): string | null => (text(name) === '' ? null : text(name));
    const number = (name: string): number => (/^\d{1,16}$/.test(text(name)) ? Number(text(name)) : Number.NaN);
    if (TEXTS.some((name) => findSecret(text(name)) !== null)) return say(SECRET, true);
    submit.disabled = true;
    say('Signing …');
    void (async () => {
      try {
        const key = await signer();
        const statement: ProjectFields = {
          network: networkOf(form.dataset['network'] ?? '').name,
          repository: form.dataset['repository'] ?? '',
          name: text('name'), description: text('description'), licence: text('licence'), arbiter: orNone('arbiter'),
          leader_address: orNone('leader_address'), leader_share_bps: number('leader_share_bps'),
          minimum_pledge_sat: number('minimum_pledge_sat'), donations: orNone('donations'), likes: field('likes').checked,
          published: orNone('published'), by: key.publicKey, counter,
        };
        await post('/api/v1/projects', { statement, signature: signStatement(project(statement), key) });
        location.reload();
      } catch (error) {
        say(errorWords(error), true);
        submit.disabled = false;
      }
    })();
  });
  withdraw.addEventListener('click', () => {
    submit.disabled = withdraw.disabled = true;
    say('Signing …');
    void (async () => {
      try {
        const key = await signer();
        const statement: ProjectWithdrawalFields = {
          network: networkOf(form.dataset['network'] ?? '').name, repository: form.dataset['repository'] ?? '', by: key.publicKey, counter,
        };
        await post(`/api/v1/projects/${id}/withdrawal`, { statement, signature: signStatement(projectWithdrawal(statement), key) });
        location.reload();
      } catch (error) {
        say(errorWords(error), true);
        submit.disabled = withdraw.disabled = false;
      }
    })();
  });
  identityPanel(form.querySelector<HTMLElement>('#identity')!, look);
  form.hidden = false;
}

const form = document.querySelector<HTMLFormElement>('form#project-set');
if (form !== null) setUp(form);
