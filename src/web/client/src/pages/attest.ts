// Takes a signer's attestation that was made elsewhere, holds it against the charter, and hands it in.

import { Charter } from '../core/charter.ts';
import { UpfrontError, refuse } from '../core/error.ts';
import { isSecret } from '../core/secret.ts';
import { parseSignature, signatureText, verifies, type StatementSignature } from '../core/signature.ts';
import { ROLES, type Role } from '../core/signer-key.ts';
import { attest } from '../core/statement.ts';
import { errorWords, problemOf, wordsOf } from '../ui/identity.ts';
import { sayer } from '../ui/page.ts';

/** Longest file looked at: an attestation is a few hundred bytes. */
const MAX_BYTES = 16_384;

interface Given {
  readonly role: Role | null;
  readonly signature: StatementSignature;
}

const isRole = (value: unknown): value is Role => ROLES.some((role) => role === value);

/** What was handed over: the command's or the signing page's JSON, or a signature alone. */
function read(text: string, charter: string): Given {
  const given = text.trim();
  if (given === '') refuse('attestation', 'attestation', 'there is nothing to hand in yet');
  if (isSecret(given)) {
    refuse('key_private', 'attestation', 'this is a private key or recovery words. It was taken out of the field and sent nowhere; a signature belongs here');
  }
  if (!given.startsWith('{')) return { role: null, signature: parseSignature(given, 'the signature') };
  let object: { charter?: unknown; role?: unknown; signature?: unknown };
  try {
    object = JSON.parse(given) as typeof object;
  } catch {
    return refuse('attestation', 'attestation', 'this is no attestation: the JSON is cut off');
  }
  if (typeof object.charter === 'string' && object.charter !== charter) {
    refuse('other_task', 'attestation', 'this attestation is for another charter');
  }
  if (object.role !== undefined && !isRole(object.role)) {
    refuse('attestation', 'attestation', 'the role is none of developer, representative, arbiter');
  }
  return { role: isRole(object.role) ? object.role : null, signature: parseSignature(object.signature, 'the signature') };
}

/** Whose it is. The signature says so by itself; a role that says otherwise is refused. */
function signerOf(charter: Charter, given: Given): Role {
  const statement = attest(charter.id);
  const role = ROLES.find((candidate) => verifies(statement, given.signature, charter.speaker(candidate)));
  if (role === undefined) {
    return refuse('signature', 'attestation',
      'the signature is by none of the three keys of this charter, or over another charter. It was not sent');
  }
  if (given.role !== null && given.role !== role) {
    refuse('signature', 'attestation', `it says ${given.role}, but the key that signed is the ${role}'s. It was not sent`);
  }
  return role;
}

async function charterOf(id: string): Promise<Charter> {
  const response = await fetch(`/api/v1/tasks/${id}/charter`, { headers: { accept: 'application/json' }, credentials: 'omit' });
  if (!response.ok) throw new UpfrontError('charter', 'charter', wordsOf(await problemOf(response)));
  const charter = Charter.parse(new Uint8Array(await response.arrayBuffer()));
  if (charter.id !== id) refuse('charter_id', 'charter', 'the service sent another charter than this page is about');
  return charter;
}

function handIn(place: HTMLElement): void {
  const id = place.dataset['charter'] ?? '';
  const form = place.querySelector('form');
  const text = place.querySelector('textarea');
  const file = place.querySelector<HTMLInputElement>('input[type="file"]');
  const drop = place.querySelector<HTMLElement>('.drop');
  const status = place.querySelector<HTMLElement>('[role="status"]');
  if (form === null || text === null || file === null || drop === null || status === null) return;

  const say = sayer(status);
  const take = async (given: File | undefined): Promise<void> => {
    if (given === undefined) return;
    if (given.size > MAX_BYTES) {
      say('This file is too long for an attestation.', true);
      return;
    }
    const read = (await given.text()).trim();
    // Not even put on the screen.
    if (isSecret(read)) {
      say(`${given.name} holds a private key or recovery words. It was sent nowhere. Never give it to any page; a signature belongs here.`, true);
      return;
    }
    text.value = read;
    say(`${given.name} was read. It is not sent yet.`);
  };
  const submit = async (): Promise<void> => {
    const pasted = text.value;
    if (isSecret(pasted)) text.value = '';
    try {
      const given = read(pasted, id);
      const role = signerOf(await charterOf(id), given);
      say(`The signature is the ${role}'s, over this charter. Handing it in …`);
      const body = JSON.stringify({ role, signature: signatureText(given.signature) });
      const response = await fetch(`/api/v1/tasks/${id}/attestations`, {
        method: 'POST', body, headers: { 'content-type': 'application/json', accept: 'application/json' }, credentials: 'omit',
      });
      if (!response.ok) {
        say(wordsOf(await problemOf(response)), true);
        return;
      }
      location.reload();
    } catch (error) {
      say(errorWords(error), true);
    }
  };

  place.hidden = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void submit();
  });
  file.addEventListener('change', () => void take(file.files?.[0]));
  for (const kind of ['dragover', 'dragleave', 'drop']) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle('over', kind === 'dragover');
      if (kind === 'drop') void take((event as DragEvent).dataTransfer?.files[0]);
    });
  }
}

const place = document.getElementById('hand-in');
if (place !== null) handIn(place);
