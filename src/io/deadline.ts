/**
 * Waits for `question` for `ms` at most. Resolves with `late` if the time is over or `question` rejects. Uses a timer of its own, so a
 * `question` that never settles does not matter. Never rejects.
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
