/** The fragment of the page's URL, which no request contains: `#token=...&daemon=NAME`. */

export function tokenOf(fragment: string): string | undefined {
  return valueOf(fragment, 'token');
}

/** The daemon to show; undefined: the one that serves the page. */
export function daemonOf(fragment: string): string | undefined {
  return valueOf(fragment, 'daemon');
}

export function fragmentFor(fragment: string, daemon: string): string {
  const values = new URLSearchParams(fragment.replace(/^#/, ''));
  values.set('daemon', daemon);
  return `#${values.toString()}`;
}

function valueOf(fragment: string, name: string): string | undefined {
  return new URLSearchParams(fragment.replace(/^#/, '')).get(name) ?? undefined;
}
