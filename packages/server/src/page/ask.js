// @ts-check
import { api } from './api.js'
import { byId, setText } from './dom.js'

/**
 * Asks before something that cannot be taken back.
 * @param {string} question
 * @param {string} yes
 * @returns {Promise<boolean>}
 */
export function confirmed(question, yes) {
  const dialog = byId('confirm')
  if (!(dialog instanceof HTMLDialogElement)) return Promise.resolve(false)
  setText(byId('confirm-text'), question)
  setText(byId('confirm-yes'), yes)
  dialog.returnValue = 'cancel'
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true })
  })
}

/**
 * Sends a command and says how it went.
 * @param {string} path
 * @param {object} body
 * @param {(answer: any) => string} said
 */
export async function command(path, body, said) {
  try {
    toast(said(await api(path, { method: 'POST', body })))
  } catch (error) {
    toast(error instanceof Error ? error.message : 'It did not work.')
  }
}

let toastTimer = 0
/** @param {string} text */
function toast(text) {
  const element = byId('toast')
  setText(element, text)
  element.hidden = false
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => (element.hidden = true), 4_000)
}
