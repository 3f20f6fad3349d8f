/** Which requests over TCP are answered. */
export interface HttpRules {
  /** The secret that a request has to give; undefined: none is needed. */
  readonly token: string | undefined;
}

export const NO_TOKEN: HttpRules = { token: undefined };
