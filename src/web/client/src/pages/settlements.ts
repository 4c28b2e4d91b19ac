// Proposing a settlement: a request in somebody's name (NIP-98). What it would do stands on the page already.

import { tell } from '../desk/take.ts';
import { currentIdentity, errorWords, identityPanel, problemOf, send, wordsOf } from '../ui/identity.ts';

const offers = document.querySelector<HTMLElement>('[data-propose]');
const status = document.getElementById('propose-status');
const who = document.getElementById('propose-identity');
const panel = who?.querySelector('div');

if (offers !== null && status !== null && who !== null && panel instanceof HTMLElement) {
  const show = (): void => {
    for (const propose of document.querySelectorAll<HTMLButtonElement>('button[data-body]')) propose.hidden = false;
  };
  show();
  identityPanel(panel);
  // The list is exchanged when something changes; the page around it is not.
  document.getElementById('propose')?.addEventListener('click', (event) => {
    const propose = event.target instanceof Element ? event.target.closest<HTMLButtonElement>('button[data-body]') : null;
    if (propose === null) return;
    propose.disabled = true;
    void ask(propose.dataset['body'] ?? '').catch((error: unknown) => tell(status, errorWords(error), 'bad'))
      .finally(() => { propose.disabled = false; });
  });
  new MutationObserver(show).observe(document.getElementById('propose') ?? offers, { childList: true, subtree: true });

  const ask = async (body: string): Promise<void> => {
    if ((await currentIdentity()) === null) {
      who.hidden = false;
      tell(status, 'Proposing is done in somebody\'s name. Choose who you are, then press again.');
      who.scrollIntoView({ block: 'center' });
      return;
    }
    tell(status, 'Proposing…');
    const response = await send('POST', offers.dataset['propose'] ?? '', body);
    if (!response.ok) return tell(status, wordsOf(await problemOf(response)), 'bad');
    const { id } = await response.json() as { id?: unknown };
    if (typeof id === 'string' && /^[0-9a-f]{64}$/.test(id)) location.assign(`${offers.dataset['page'] ?? ''}${id}`);
  };
}
