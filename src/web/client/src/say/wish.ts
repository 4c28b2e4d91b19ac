// What a key has said to a wish, and of a project, as it signed it. What it did not sign is not its word: else whoever tells of
// it could use up its counters, or have it repeat what it never said.

import type { Json } from '../core/json.ts';
import { MAX_U32 } from '../core/number.ts';
import { parseSignature, serviceSpeaker, verifies } from '../core/signature.ts';
import type { Statement } from '../core/statement.ts';
import {
  lead, like, offer, project, projectWithdrawal, promise,
  type LeadFields, type LikeFields, type OfferFields, type ProjectFields, type ProjectWithdrawalFields, type PromiseFields,
} from '../core/wish.ts';

/** Which wish. */
export type AboutWish = Pick<LikeFields, 'network' | 'task'>;
/** Which project. */
export type AboutProject = Pick<ProjectFields, 'network' | 'repository'>;

/** What a key has said to a wish. */
export interface OwnWords {
  readonly likes: boolean;
  readonly promised: number;
  /** The next counter of each kind. */
  readonly counters: Readonly<Record<'like' | 'promise' | 'developer' | 'representative' | 'lead', number>>;
}

/** What a key has said of a project. */
export interface OwnClaim {
  readonly settings: ProjectFields;
  /** Whether it took its claim back since. */
  readonly withdrawn: boolean;
  /** The next counter. */
  readonly counter: number;
}

const STATEMENTS: Readonly<Record<string, (fields: never) => Statement>> = { like, promise, offer, lead };

const object = (value: Json | undefined): Readonly<Record<string, Json>> =>
  (typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Readonly<Record<string, Json>> : {});
const list = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value as readonly Json[] : []);

/** Whether `by` signed these words, which fields make. */
function signed(make: () => Statement, signature: Json | undefined, by: string): boolean {
  try {
    return verifies(make(), parseSignature(signature, 'signature'), serviceSpeaker(by));
  } catch {
    return false;
  }
}

/** Of a page of words to a wish. */
export function ownWords(about: AboutWish, by: string, page: Json): OwnWords {
  const own = list(object(page)['items']).flatMap((item) => {
    const { kind, statement, signature } = object(object(item)['word']);
    const make = typeof kind === 'string' && Object.hasOwn(STATEMENTS, kind) ? STATEMENTS[kind] : undefined;
    const fields = { ...object(statement), ...about, by };
    return make !== undefined && signed(() => make(fields as never), signature, by) ? [{ kind, fields }] : [];
  });
  const newest = <F extends { readonly counter: number }>(kind: string, as?: OfferFields['as']): F | undefined => own
    .filter((word) => word.kind === kind && (as === undefined || (word.fields as Partial<OfferFields>).as === as))
    .map(({ fields }) => fields as unknown as F)
    .sort((a, b) => b.counter - a.counter)[0];
  const next = (word: { readonly counter: number } | undefined): number => (word === undefined ? 1 : Math.min(word.counter + 1, MAX_U32 - 1));
  const [liked, promised] = [newest<LikeFields>('like'), newest<PromiseFields>('promise')];
  return {
    likes: liked?.like === true,
    promised: promised?.amount_sat ?? 0,
    counters: {
      like: next(liked), promise: next(promised), lead: next(newest<LeadFields>('lead')),
      developer: next(newest<OfferFields>('offer', 'developer')), representative: next(newest<OfferFields>('offer', 'representative')),
    },
  };
}

/** Of a project; null where the key has said nothing of it. */
export function ownClaim(about: AboutProject, by: string, view: Json): OwnClaim | null {
  const claim = list(object(view)['claims']).map(object).find((each) => each['by'] === by) ?? {};
  const settings = { ...object(claim['settings']), ...about, by } as unknown as ProjectFields;
  if (!signed(() => project(settings), claim['signature'], by)) return null;
  const taken = object(claim['withdrawn']);
  const back = { ...about, by, counter: taken['counter'] } as ProjectWithdrawalFields;
  const withdrawn = signed(() => projectWithdrawal(back), taken['signature'], by) && back.counter > settings.counter;
  return { settings, withdrawn, counter: Math.min((withdrawn ? back : settings).counter + 1, MAX_U32 - 1) };
}
