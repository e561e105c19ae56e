/** Whether a rule of the user answers later. Rules are asked in the midst of a step, which cannot wait. */
export function isAsyncFunction(rule: unknown): boolean {
  return Object.prototype.toString.call(rule) === '[object AsyncFunction]'
}

/** What a rule has answered. A promise is no answer; when nobody listens to it, its rejection would end the process. */
export function answerOf<Answer>(rule: () => Answer): Answer {
  const answer = rule()
  if (typeof answer === 'object' && answer !== null && 'then' in answer && typeof answer.then === 'function')
    answer.then(undefined, () => undefined)
  return answer
}
