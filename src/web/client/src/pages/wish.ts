// Wishing, liking, promising, offering and a leader's word with the identity of this browser. These are statements under a tagged hash, which Nostr
// extensions cannot sign: a key kept in this browser does.

import { hex, isHash, utf8 } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { networkOf } from '../core/network.ts';
import type { KeyPair } from '../core/point.ts';
import { findSecret } from '../core/secret.ts';
import { signStatement } from '../core/signature.ts';
import {
  lead, like, offer, promise, wish, wishId, withdrawal,
  type LeadFields, type LikeFields, type OfferFields, type PromiseFields, type WishFields, type WithdrawalFields,
} from '../core/wish.ts';
import { ownWords, type OwnWords } from '../say/wish.ts';
import { getPath } from '../ui/api.ts';
import { errorWords, identityPanel, type Identity } from '../ui/identity.ts';
import { sayer } from '../ui/page.ts';
import { EXTENSION, SECRET, post, signer } from '../ui/statements.ts';

// ---- A new wish

function newWish(form: HTMLFormElement): void {
  const field = (name: string): string => (form.elements.namedItem(name) as HTMLInputElement | HTMLTextAreaElement).value;
  const submit = form.querySelector<HTMLButtonElement>('button[type=submit]')!;
  const say = sayer(form.querySelector<HTMLElement>('#wish-status')!);
  const ready = (identity: Identity | null): void => {
    submit.disabled = identity?.kind !== 'key';
    if (identity?.kind === 'extension') say(EXTENSION, true);
  };
  identityPanel(form.querySelector<HTMLElement>('#identity')!, ready);
  form.hidden = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit.disabled = true;
    say('Signing …');
    void (async () => {
      try {
        // Browsers count a line's end as two characters when they send a form; what is hashed is what stands here.
        const text = field('text').replace(/\r\n?/g, '\n');
        if (['repository', 'link', 'text'].some((name) => findSecret(field(name)) !== null)) {
          say(SECRET, true);
          submit.disabled = false;
          return;
        }
        const key = await signer();
        const statement: WishFields = {
          network: networkOf(form.dataset['network'] ?? '').name,
          repository: field('repository').trim(),
          link: field('link').trim() === '' ? null : field('link').trim(),
          text_hash: hex(sha256(utf8(text))),
          by: key.publicKey,
        };
        await post('/api/v1/wishes', { statement, signature: signStatement(wish(statement), key), text });
        location.assign(`/wishes/${wishId(statement)}`);
      } catch (error) {
        say(errorWords(error), true);
        submit.disabled = false;
      }
    })();
  });
}

// ---- Words to a wish

function speak(place: HTMLElement): void {
  const part = <T extends HTMLElement>(selector: string): T | null => place.querySelector<T>(selector);
  const task = place.dataset['wish'] ?? '';
  if (!isHash(task)) return;
  const network = networkOf(place.dataset['network'] ?? '').name;
  const likeButton = part<HTMLButtonElement>('#like');
  const form = part<HTMLFormElement>('#promise')!;
  const amount = part<HTMLInputElement>('#promise-sat')!;
  const own = part('#own')!;
  const offering = part<HTMLFormElement>('#offer')!;
  const leading = part<HTMLFormElement>('#lead')!;
  const withdrawing = part<HTMLFormElement>('#withdraw')!;
  const withdrawn = 'withdrawn' in place.dataset;
  const buttons = [...place.querySelectorAll<HTMLButtonElement>('form button[type=submit]')];
  const say = sayer(part('#speak-status')!);
  let known: OwnWords | null = null;

  const rest = (resting: boolean): void => {
    if (likeButton !== null) likeButton.disabled = resting;
    for (const made of buttons) made.disabled = resting;
  };
  const look = (identity: Identity | null): void => {
    known = null;
    rest(true);
    own.hidden = true;
    leading.hidden = withdrawn || identity === null || identity.publicKey !== leading.dataset['leader'];
    withdrawing.hidden = withdrawn || identity === null || identity.publicKey !== withdrawing.dataset['author'];
    if (identity === null) return say('Choose below who signs, then like it or promise.');
    if (identity.kind === 'extension') return say(EXTENSION, true);
    say('');
    const by = identity.publicKey;
    void getPath(`/wishes/${task}/words?by=${by}&limit=200`).then((page) => {
      const found = ownWords({ network, task }, by, page);
      known = found;
      rest(false);
      if (withdrawn) {
        // Nothing is added to it: what this key said can be taken back.
        if (likeButton !== null) likeButton.hidden = !found.likes;
        form.hidden = found.promised === 0;
        amount.value = '0';
      }
      if (likeButton !== null) likeButton.textContent = found.likes ? 'Like it no longer' : 'Like it';
      const words = [found.likes ? 'like this' : '', found.promised > 0 ? `promised ${found.promised.toLocaleString('en')} sat` : ''].filter((w) => w !== '');
      if (words.length === 0) return;
      own.hidden = false;
      // The page is kept fresh: a charter may have opened since it was loaded.
      const fund = document.getElementById('fund')?.dataset;
      const now = fund?.['fund'] !== undefined ? ' It can be funded now: the button above leads to your pledge.'
        : fund?.['several'] !== undefined ? ' It can be funded now: choose a charter above.' : '';
      own.textContent = `You ${words.join(' and ')}.${now}`;
    }).catch((error: unknown) => say(errorWords(error), true));
  };

  const send = (make: (key: KeyPair, words: OwnWords) => unknown): void => {
    if (known === null) return;
    const words = known;
    rest(true);
    say('Signing …');
    void (async () => {
      try {
        await post(`/api/v1/wishes/${task}/words`, make(await signer(), words));
        location.reload();
      } catch (error) {
        say(errorWords(error), true);
        rest(false);
      }
    })();
  };
  likeButton?.addEventListener('click', () => send((key, words) => {
    const statement: LikeFields = { network, task, by: key.publicKey, like: !words.likes, counter: words.counters.like };
    return { kind: 'like', statement, signature: signStatement(like(statement), key) };
  }));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const digits = amount.value.replace(/[\s,_]/g, '');
    if (!/^\d{1,16}$/.test(digits)) return say('An amount is a whole number of satoshis, such as 50,000.', true);
    send((key, words) => {
      const statement: PromiseFields = { network, task, by: key.publicKey, amount_sat: Number(digits), counter: words.counters.promise };
      return { kind: 'promise', statement, signature: signStatement(promise(statement), key) };
    });
  });
  offering.addEventListener('submit', (event) => {
    event.preventDefault();
    const [as, choice, days] = part<HTMLSelectElement>('#offer-what')!.value.split(' ') as [OfferFields['as'], OfferFields['choice'], string?];
    const now = Number(place.dataset['now']);
    if (days !== undefined && !(now > 0)) return say('The chain is not known yet: load the page again in a few seconds.', true);
    const until = days === undefined ? null : now + Number(days) * 86_400;
    send((key, words) => {
      const statement: OfferFields = { network, task, by: key.publicKey, as, choice, until, counter: words.counters[as] };
      return { kind: 'offer', statement, signature: signStatement(offer(statement), key) };
    });
  });
  withdrawing.addEventListener('submit', (event) => {
    event.preventDefault();
    if (known === null) return;
    rest(true);
    say('Signing …');
    void (async () => {
      try {
        const key = await signer();
        const statement: WithdrawalFields = { network, task, by: key.publicKey };
        await post(`/api/v1/wishes/${task}/withdrawal`, { statement, signature: signStatement(withdrawal(statement), key) });
        location.reload();
      } catch (error) {
        say(errorWords(error), true);
        rest(false);
      }
    })();
  });
  leading.addEventListener('submit', (event) => {
    event.preventDefault();
    const typed = part<HTMLInputElement>('#lead-place')!.value.trim();
    if (typed !== '' && !/^[1-9]\d{0,5}$/.test(typed)) return say('A place is a whole number from 1 on, or nothing.', true);
    send((key, words) => {
      const choice = part<HTMLSelectElement>('#lead-choice')!.value as LeadFields['choice'];
      const statement: LeadFields = { network, task, by: key.publicKey, choice, place: typed === '' ? null : Number(typed), counter: words.counters.lead };
      return { kind: 'lead', statement, signature: signStatement(lead(statement), key) };
    });
  });
  identityPanel(part('#identity')!, look);
  place.hidden = false;
}

const form = document.querySelector<HTMLFormElement>('form#wish-new');
if (form !== null) newWish(form);
const place = document.getElementById('speak');
if (place !== null) speak(place);
