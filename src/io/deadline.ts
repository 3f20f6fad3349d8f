/**
 * Waits for `question`, but no longer than `ms`: resolves with `late` after that, or where the question rejects. It relies on no timer or
 * event of the question itself. Never rejects.
 */
export function within<T>(ms: number, question: Promise<T>, late: T): Promise<T> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(late), ms);
    const end = (answer: T): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    question.then(end, () => end(late));
  });
}
