declare global {
  interface Window {
    /** Put there by the beacon; absent for visitors who do not want to be counted. */
    siteAnalytics?: { identify(user: string): void }
  }
}

const base = '/apps/site-analytics/site'

// Shelves of the collection change without a page load, as in a single-page application.
for (const link of document.querySelectorAll<HTMLAnchorElement>('a[data-shelf]')) {
  link.addEventListener('click', (event) => {
    event.preventDefault()
    history.pushState(null, '', link.href)
    showShelf()
  })
}
addEventListener('popstate', showShelf)
showShelf()

document.querySelector('form[data-stock]')?.addEventListener('submit', (event) => {
  event.preventDefault()
  const answer = document.querySelector('[data-answer]')
  // There is no stock list: the failed request is what is to be seen on the dashboard.
  void fetch(`${base}/stock/today`)
    .then((response) => (response.ok ? 'In stock.' : 'The stock list cannot be reached. Please telephone.'))
    .catch(() => 'You seem to be offline.')
    .then((text) => {
      if (answer !== null) answer.textContent = text
    })
})

document.querySelector('form[data-account]')?.addEventListener('submit', (event) => {
  event.preventDefault()
  const number = document.querySelector<HTMLInputElement>('input[name=account]')?.value.trim() ?? ''
  if (number === '') return
  window.siteAnalytics?.identify(number)
  const answer = document.querySelector('[data-greeting]')
  if (answer !== null) answer.textContent = `Welcome back, ${number}.`
})

function showShelf(): void {
  const shelf = location.pathname.slice(`${base}/collection/`.length) || 'all'
  for (const piece of document.querySelectorAll<HTMLElement>('[data-kind]')) {
    piece.hidden = shelf !== 'all' && piece.dataset['kind'] !== shelf
  }
  for (const link of document.querySelectorAll<HTMLAnchorElement>('a[data-shelf]')) {
    if (link.dataset['shelf'] === shelf) link.setAttribute('aria-current', 'true')
    else link.removeAttribute('aria-current')
  }
}

export {}
