/** Asks one thing at a time: while an answer is under way only the newest question waits, and late answers are dropped. */
export interface LatestOnly<Question> {
  /** Ask once the running question is answered and the pause is over; an older waiting one is forgotten. */
  soon: (question: Question) => void;
  /** Ask at once; the answer to whatever runs is dropped. */
  now: (question: Question) => void;
  /** Ask nothing more and drop every answer under way. */
  stop: () => void;
}

export function latestOnly<Question, Answer>(
  ask: (question: Question, signal: AbortSignal) => Promise<Answer>,
  onEnd: (question: Question, end: { answer: Answer } | { error: unknown }) => void,
  pauseMs: number,
): LatestOnly<Question> {
  let running: AbortController | null = null;
  let waiting: { question: Question } | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;

  const start = (question: Question): void => {
    const control = new AbortController();
    running = control;
    const end = (result: { answer: Answer } | { error: unknown }): void => {
      if (running !== control) return;
      running = null;
      onEnd(question, result);
      timer = setTimeout(next, pauseMs);
    };
    ask(question, control.signal).then((answer) => end({ answer }), (error: unknown) => end({ error }));
  };
  const next = (): void => {
    timer = null;
    const question = waiting;
    waiting = null;
    if (question !== null) start(question.question);
  };
  const stop = (): void => {
    running?.abort();
    running = null;
    waiting = null;
    if (timer !== null) clearTimeout(timer);
    timer = null;
  };
  return {
    soon: (question) => {
      if (running === null && timer === null) start(question);
      else waiting = { question };
    },
    now: (question) => {
      stop();
      start(question);
    },
    stop,
  };
}
