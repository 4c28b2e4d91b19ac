// The one kind of error that people see: a stable code for programs, the field that is wrong, and words.
// No message repeats a key, a phrase or a signature: it may end up on a screen or in a report.

export class UpfrontError extends Error {
  override readonly name = 'UpfrontError';
  /** Stable name for programs; where the service or the command has the same error, it has the same code. */
  readonly code: string;
  /** Path of what is wrong, such as `attestations.arbiter`. */
  readonly field: string;

  constructor(code: string, field: string, message: string) {
    super(message);
    this.code = code;
    this.field = field;
  }
}

export function refuse(code: string, field: string, message: string): never {
  throw new UpfrontError(code, field, message);
}

/** What `attempt` gives; whatever it throws is an error of `field`. */
export function orRefuse<T>(attempt: () => T, code: string, field: string, message: string): T {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof UpfrontError) throw error;
    return refuse(code, field, message);
  }
}
