// @ts-check
// The page is only a client of the public API.

/**
 * @param {string} path
 * @param {{ method?: string, body?: unknown }} [options]
 * @returns {Promise<any>}
 */
export async function api(path, { method = 'GET', body } = {}) {
  const response = await fetch(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const answer = await response.json()
  if (!response.ok) {
    const text = answer.detail ?? answer.title ?? `The server answered ${response.status}.`
    throw Object.assign(new Error(text), { code: answer.code })
  }
  return answer
}
