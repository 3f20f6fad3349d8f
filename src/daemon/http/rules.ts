/** Which requests over TCP are answered. */
export interface HttpRules {
  /** The secret that a request has to give; undefined: none is needed. A reload may change it. */
  token: string | undefined;
}

export const NO_TOKEN: Readonly<HttpRules> = { token: undefined };
