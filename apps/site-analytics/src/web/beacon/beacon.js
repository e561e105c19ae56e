// The visitor's half: counts page views and what pages feel like, sends them in batches, keeps no cookies.
// <script src="/apps/site-analytics/beacon.js" data-base="/shop" data-wait="15" defer></script>
{
  const BATCH = 8
  const KEPT = 100
  const { base = '', wait = 15, endpoint = '/api/analytics/events' } = document.currentScript.dataset
  const send = fetch
  let queue = []
  let busy, timer, path, page, scrolled, from, failures
  // Of one page load, whatever addresses the script gives to it later.
  let lcp, cls, inp, shift, shiftFirst, shiftLast, measured

  const pathOf = (address) => {
    const { pathname } = new URL(address, location)
    return (base && pathname.startsWith(base) && pathname.slice(base.length)) || pathname
  }
  const id = () => crypto.randomUUID?.() ?? Date.now() + '-' + Math.random()

  const add = (type, data) => {
    queue.push({ id: id(), page, type, at: Date.now(), data: { path, ...data } })
    // A site that cannot be reached for long must not fill the memory of its visitors.
    queue = queue.slice(-KEPT)
    queue.length < BATCH || failures ? (timer ||= setTimeout(flush, wait * 1e3)) : flush()
  }
  const fail = (address, status, detail) =>
    add('request.failed', {
      path: pathOf(address),
      status: status || undefined,
      reason: status ? 'status' : detail ? 'script' : 'network',
      detail: detail?.slice(0, 200),
    })

  const flush = () => {
    timer = clearTimeout(timer)
    if (busy || !queue[0]) return
    const events = queue.splice(0, BATCH)
    busy = 1
    send(endpoint, { method: 'POST', body: JSON.stringify({ now: Date.now(), events }) })
      .then(({ status }) => {
        // What the server refuses it would refuse again.
        if (status > 499 || status == 429) throw 0
        failures = 0
      })
      .catch(() => {
        failures = -~failures
        queue.unshift(...events)
      })
      .then(() => {
        busy = 0
        // The same ids again: what had arrived is stored once.
        if (queue[0])
          timer ||= setTimeout(
            flush,
            failures ? Math.min(6e4, 2 ** failures * 1e3) * (0.5 + Math.random()) : wait * 1e3,
          )
      })
  }
  const leave = () => {
    measure()
    while (queue[0]) {
      const events = queue.splice(0, BATCH)
      if (!navigator.sendBeacon(endpoint, JSON.stringify({ now: Date.now(), events }))) {
        queue.unshift(...events)
        break
      }
    }
  }

  const measure = () => {
    if (scrolled >= 0) add('scroll.measured', { percent: scrolled })
    scrolled = -1
    if (!measured && lcp) add('performance.measured', { lcp, cls, inp })
    measured = lcp
  }
  const view = () => {
    const next = pathOf(location.href)
    if (next == path) return
    if (path) measure()
    path = next
    page = id()
    scrolled = 0
    scroll()
    const { responseStatus } = performance.getEntriesByType('navigation')[0] || {}
    if (!from && responseStatus > 399) fail(location, responseStatus)
    else add('page.viewed', { referrer: from || document.referrer, title: document.title.slice(0, 200) })
    from = location.href
  }
  const scroll = () => {
    const { scrollHeight } = document.documentElement
    scrolled = Math.max(scrolled, Math.min(100, Math.round(((scrollY + innerHeight) / scrollHeight) * 100)))
  }

  const observe = (type, each) => {
    try {
      new PerformanceObserver((list) => list.getEntries().map(each)).observe({
        type,
        buffered: true,
        durationThreshold: 40,
      })
    } catch {}
  }

  if (navigator.doNotTrack != 1 && !navigator.globalPrivacyControl) {
    observe('largest-contentful-paint', (entry) => (lcp = entry.startTime))
    observe('layout-shift', ({ hadRecentInput, startTime, value }) => {
      if (hadRecentInput) return
      // Shifts less than a second apart count together, for at most five seconds.
      if (startTime - shiftLast < 1e3 && startTime - shiftFirst < 5e3) shift += value
      else ((shift = value), (shiftFirst = startTime))
      shiftLast = startTime
      cls = Math.max(cls || 0, shift)
    })
    observe('event', (entry) => entry.interactionId && (inp = Math.max(inp || 0, entry.duration)))

    const on = (type, run) => addEventListener(type, run, true)
    on('scroll', scroll)
    on('pagehide', leave)
    on('visibilitychange', () => document.visibilityState == 'hidden' && leave())
    on('popstate', view)
    on('click', ({ target }) => {
      const link = target.closest?.('a[href]')
      if (link && link.host != location.host && /^http/.test(link.href))
        add('link.clicked', { target: link.href.slice(0, 512) })
    })
    on('error', ({ target, message }) => (message ? fail(location, 0, message) : target.src && fail(target.src)))
    window.fetch = (...request) => {
      const address = request[0].url || request[0]
      return send(...request).then(
        (response) => {
          if (response.status > 399) fail(address, response.status)
          return response
        },
        (error) => {
          fail(address)
          throw error
        },
      )
    }
    const { pushState } = history
    history.pushState = (...state) => {
      pushState.apply(history, state)
      view()
    }
    window.siteAnalytics = { identify: (user) => add('visitor.identified', { user }) }
    view()
  }
}
