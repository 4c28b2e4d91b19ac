// A settlement's page: copies base64, shows rows of QR codes as an animation that can be stopped, and hands signed PSBTs
// in. Keys have no place here: what is no PSBT is not sent.

import { UpfrontError } from '../core/error.ts';
import { psbtsOfBytes, psbtsOfText, together, type Brought } from '../desk/psbts.ts';
import { refresh, takeFiles, tell } from '../desk/take.ts';
import { button, element } from '../ui/element.ts';
import { errorWords, problemOf, wordsOf } from '../ui/identity.ts';

/** A camera needs a moment for each code. */
const FRAME_MS = 700;

for (const copy of document.querySelectorAll<HTMLButtonElement>('button[data-copy]')) {
  const field = document.getElementById(copy.dataset['copy'] ?? '');
  if (!(field instanceof HTMLTextAreaElement)) continue;
  copy.hidden = false;
  const words = copy.textContent ?? '';
  copy.addEventListener('click', () => {
    field.select();
    const done = navigator.clipboard?.writeText(field.value) ?? Promise.reject(new Error('no clipboard'));
    done.then(() => { copy.textContent = 'Copied'; }, () => { copy.textContent = 'Selected: copy it now'; });
    setTimeout(() => { copy.textContent = words; }, 2_500);
  });
}

for (const details of document.querySelectorAll<HTMLDetailsElement>('details[data-frames]')) player(details);

/** The list of codes as one picture that changes. Without this script the list stays. */
function player(details: HTMLDetailsElement): void {
  const list = details.querySelector('ol.frames');
  const sources = [...details.querySelectorAll<HTMLImageElement>('ol.frames img')].map((image) => image.getAttribute('src') ?? '');
  if (list === null || sources.length < 2) return;
  const image = element('img', { width: '400', height: '400', alt: '' });
  const count = element('p', { class: 'small quiet' });
  let at = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  const show = (next: number): void => {
    at = (next + sources.length) % sources.length;
    image.src = sources[at] ?? '';
    image.alt = `QR code ${at + 1} of ${sources.length}`;
    count.textContent = `Code ${at + 1} of ${sources.length}`;
  };
  const pause = button('Pause', 'second', () => (timer === undefined ? run() : stop()));
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
    pause.textContent = 'Play';
  };
  const run = (): void => {
    stop();
    timer = setInterval(() => show(at + 1), FRAME_MS);
    pause.textContent = 'Pause';
  };
  const step = (by: number) => (): void => {
    stop();
    show(at + by);
  };
  let asList = false;
  const other = button('Show as a list', 'plain', () => {
    asList = !asList;
    list.toggleAttribute('hidden', !asList);
    stage.hidden = asList;
    if (asList) stop();
    other.textContent = asList ? 'Show one at a time' : 'Show as a list';
  });
  const stage = element('div', {}, element('figure', { class: 'qr' }, image), count,
    element('p', { class: 'actions' }, button('Previous', 'second', step(-1)), pause, button('Next', 'second', step(1))));
  list.toggleAttribute('hidden', true);
  list.before(stage);
  list.after(element('p', {}, other));
  stop();
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  details.addEventListener('toggle', () => {
    if (!details.open) return stop();
    show(at);
    // All of them at once, so that none is missing in the first round.
    for (const source of sources) new Image().src = source;
    if (!still && !asList) run();
  });
  if (details.open) details.dispatchEvent(new Event('toggle'));
}

const form = document.getElementById('signatures');
if (form instanceof HTMLFormElement) handIn(form);

function handIn(form: HTMLFormElement): void {
  const part = <T extends HTMLElement>(selector: string): T => form.querySelector<T>(selector)!;
  const [zone, list, status] = [part('[data-drop]'), part('#signed-list'), part('#signed-status')];
  const text = part<HTMLTextAreaElement>('#signed-text');
  const submit = part<HTMLButtonElement>('button[type=submit]');
  let brought: Brought[] = [];
  form.hidden = false;

  const showList = (): void => {
    list.replaceChildren(...brought.map((each) => element('li', {}, `${each.name} `, button('Remove', 'plain', () => {
      brought = brought.filter((other) => other !== each);
      showList();
    }))));
  };
  takeFiles(zone, (files) => void (async () => {
    const refused: string[] = [];
    for (const file of files) {
      try {
        const read = psbtsOfBytes(file.name, new Uint8Array(await file.arrayBuffer()));
        brought = [...brought.filter((each) => !read.some((now) => now.name === each.name)), ...read];
      } catch (error) {
        refused.push(errorWords(error));
      }
    }
    showList();
    tell(status, refused.join(' '), refused.length > 0 ? 'bad' : '');
  })());

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit.disabled = true;
    tell(status, 'Checking every signature…');
    void send().catch((error: unknown) => {
      if (error instanceof UpfrontError && error.code === 'key_private') text.value = '';
      tell(status, errorWords(error), 'bad');
    }).finally(() => { submit.disabled = false; });
  });

  async function send(): Promise<void> {
    const psbts = together([...brought, ...psbtsOfText('What you pasted', text.value)]);
    const response = await fetch(form.dataset['post'] ?? '', {
      method: 'POST', credentials: 'omit', body: JSON.stringify({ psbts }),
      headers: { 'content-type': 'application/json', accept: 'application/json' },
    });
    if (!response.ok) {
      const problem = await problemOf(response);
      return tell(status, `${wordsOf(problem)} What you brought is still here.`, 'bad');
    }
    const view = await response.json().catch(() => null) as { progress?: string } | null;
    brought = [];
    text.value = '';
    showList();
    const two = view?.progress === 'complete' || view?.progress === 'confirmed';
    tell(status, two
      ? 'Taken: two have signed. It goes to the network by itself.'
      : 'Taken: every signature is right. It waits for the next signer.', 'good');
    await refresh();
  }
}
