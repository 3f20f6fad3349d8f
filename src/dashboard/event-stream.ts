/** Server-sent events, out of pieces of text as they come. */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
  readonly id?: string;
}

/** A longer line is no event: the rest of the stream is not read. */
const LINE_MOST = 1 << 20;

export class EventReader {
  private rest = '';
  private event = '';
  private data: string[] = [];
  private id: string | undefined;

  /** The events that end in this piece. */
  *read(piece: string): Generator<StreamEvent> {
    const lines = (this.rest + piece).split(/\r?\n/);
    this.rest = lines.pop()!;
    if (this.rest.length > LINE_MOST) throw new Error('a line of the event stream is too long');
    for (const line of lines) {
      if (line !== '') this.field(line);
      else if (this.data.length > 0) yield this.whole();
    }
  }

  private field(line: string): void {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.event = value;
    else if (name === 'data') this.data.push(value);
    else if (name === 'id') this.id = value;
  }

  private whole(): StreamEvent {
    const { event, data, id } = this;
    this.event = '';
    this.data = [];
    return {
      event: event === '' ? 'message' : event,
      data: data.join('\n'),
      ...(id === undefined ? {} : { id }),
    };
  }
}
