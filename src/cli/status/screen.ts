type Terminal = Pick<NodeJS.WriteStream, 'columns' | 'rows' | 'write'>;

/** Redraws lines in place on a terminal, on its alternate screen; the last ones stay when it is closed. */
export class Screen {
  private readonly out: Terminal;
  private lines: readonly string[] = [];
  private isOpen = false;

  constructor(out: Terminal) {
    this.out = out;
  }

  draw(lines: readonly string[]): void {
    this.lines = lines;
    const { columns, rows } = this.out;
    const wrapped = lines.flatMap((line) => wrap(line, columns > 0 ? columns : 80));
    const room = rows > 1 ? rows : 24;
    const shown = wrapped.length > room ? [...wrapped.slice(0, room - 1), MORE] : wrapped;
    const text = shown.map((line) => `${line}${TO_END_OF_LINE}`).join('\n');
    this.out.write(`${this.isOpen ? '' : ENTER}${HOME}${text}${TO_END_OF_SCREEN}`);
    this.isOpen = true;
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.out.write(`${LEAVE}${this.lines.join('\n')}\n`);
  }
}

const MORE = '... (more; name one daemon)';
/** Alternate screen and hidden cursor (xterm). */
const [ENTER, LEAVE] = ['\u001b[?1049h\u001b[?25l', '\u001b[?25h\u001b[?1049l'];
const HOME = '\u001b[H';
const TO_END_OF_LINE = '\u001b[K';
const TO_END_OF_SCREEN = '\u001b[J';

function wrap(line: string, columns: number): string[] {
  const pieces = Math.max(1, Math.ceil(line.length / columns));
  return Array.from({ length: pieces }, (_, i) => line.slice(i * columns, (i + 1) * columns));
}
