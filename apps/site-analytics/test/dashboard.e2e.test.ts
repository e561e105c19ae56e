import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { importLog } from '../src/index.ts'
import { eventually, startApplication, type Application } from './application.ts'
import { hasBrowser, launchBrowser } from './browser.ts'

describe.skipIf(!hasBrowser)('in a browser', () => {
  let browser: Browser
  let app: Application
  const problems: string[] = []

  beforeAll(async () => {
    browser = await launchBrowser()
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    app = await startApplication()
    problems.length = 0
  })
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close()
    await app.close()
  })

  async function open(path: string, options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    return visit(await browser.newContext(options), path)
  }

  async function visit(context: BrowserContext, path: string): Promise<Page> {
    const page = await context.newPage()
    page.on('pageerror', (error) => problems.push(error.message))
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) problems.push(message.text())
    })
    await page.goto(app.url + path)
    return page
  }

  const tile = (page: Page, id: string): Promise<number> =>
    page
      .locator(`#tile-${id} .value`)
      .textContent({ timeout: 1_000 })
      .then((text) => Number(text?.replaceAll(',', '')))
      .catch(() => Number.NaN)

  const stored = async (type: string): Promise<readonly Record<string, unknown>[]> =>
    (await app.millrace.read({ types: [type], limit: 1_000 })).events.map(({ data }) => data as Record<string, unknown>)

  it('shows a visit live while somebody clicks through the site', async () => {
    const dashboard = await open('/apps/site-analytics/')
    await dashboard.getByText('Nothing has been counted yet').waitFor()
    const site = await open('/apps/site-analytics/site/')
    await site.getByRole('link', { name: 'Collection', exact: true }).click()
    await site.getByRole('link', { name: 'Jugs' }).click()
    await site.getByRole('heading', { name: 'Milk jug' }).waitFor()
    await site.getByRole('link', { name: 'Courses', exact: true }).click()
    await site.locator('input[name=account]').fill('Ada')
    await site.getByRole('button', { name: 'Sign in' }).click()
    await site.getByText('Welcome back, Ada.').waitFor()
    await site.getByRole('link', { name: 'Workshop', exact: true }).click()
    await site.getByRole('link', { name: 'glaze archive' }).click()
    await site.getByRole('heading', { name: 'This shelf is empty' }).waitFor()
    // The dashboard was open all the time and was not touched.
    await dashboard.locator('#pages .name', { hasText: '/collection/jugs' }).waitFor({ timeout: 60_000 })
    await dashboard.locator('#failures .name', { hasText: '404 /glaze-archive' }).waitFor({ timeout: 60_000 })
    await dashboard.locator('#visits strong', { hasText: 'Ada' }).waitFor({ timeout: 60_000 })
    await eventually(
      () => tile(dashboard, 'live-visitors'),
      (count) => count === 1,
    )
    await eventually(
      () => tile(dashboard, 'page-views'),
      (count) => count === 5,
    )
    await expect
      .poll(() => dashboard.locator('#events .type').allTextContents())
      .toEqual(expect.arrayContaining(['page.viewed', 'session.started']))
    expect((await stored('page.viewed')).map(({ path }) => path)).toEqual(
      expect.arrayContaining(['/', '/collection', '/collection/jugs', '/courses', '/workshop']),
    )
    expect((await stored('page.viewed')).filter(({ referrer }) => referrer === 'internal')).toHaveLength(4)
    expect(problems).toEqual([])
  })

  it('measures scrolling, loading, links that leave, and requests and scripts that fail', async () => {
    const site = await open('/apps/site-analytics/site/visit')
    await site.evaluate(() => {
      const link = document.querySelector('a[href^="https://www.openstreetmap"]')
      link?.addEventListener('click', (event) => event.preventDefault())
    })
    await site.getByRole('link', { name: 'Show it on the map' }).click()
    await site.getByRole('link', { name: 'Collection', exact: true }).click()
    await site.mouse.wheel(0, 2_000)
    await site.getByRole('button', { name: 'What is in stock today?' }).click()
    await site.getByText('The stock list cannot be reached').waitFor()
    await site.evaluate(() => {
      // In a task of its own, so that it fails in the page and not in the test.
      queueMicrotask(() => (undefined as unknown as () => void)())
    })
    await site.getByRole('link', { name: 'Aldermill Pottery' }).click()
    await eventually(
      () => stored('link.clicked'),
      (list) => list.some(({ target }) => target === 'https://www.openstreetmap.org/'),
    )
    await eventually(
      () => stored('scroll.measured'),
      (list) => list.some(({ path, percent }) => path === '/collection' && Number(percent) > 0),
    )
    await eventually(
      () => stored('performance.measured'),
      (list) => list.some(({ lcp }) => Number(lcp) > 0),
    )
    const failed = await eventually(
      () => stored('request.failed'),
      (list) => list.length >= 2,
    )
    expect(failed).toContainEqual(expect.objectContaining({ path: '/stock/today', status: 404, reason: 'status' }))
    expect(failed).toContainEqual(expect.objectContaining({ path: '/collection', reason: 'script' }))
  })

  it('sends again what could not be sent, under the same ids', async () => {
    const context = await browser.newContext()
    const bodies: string[] = []
    await context.route('**/api/analytics/events', async (route) => {
      bodies.push(route.request().postData() ?? '')
      // The first answer is lost after the server has stored the events: the worst moment.
      if (bodies.length === 1) {
        await route.fetch()
        await route.abort()
      } else await route.continue()
    })
    await visit(context, '/apps/site-analytics/site/')
    await eventually(
      () => bodies.length,
      (count) => count >= 2,
      60_000,
    )
    const ids = bodies.slice(0, 2).map((body) => (JSON.parse(body) as { events: { id: string }[] }).events[0]?.id)
    expect(ids[0]).toBe(ids[1])
    await eventually(
      () => app.summary(),
      ({ totals }) => totals.pages >= 1,
    )
    expect(await stored('page.viewed')).toHaveLength(1)
  })

  it('counts nobody who does not want to be counted', async () => {
    const requests: string[] = []
    const site = await open('/apps/site-analytics/site/')
    await site.context().addInitScript(() => Object.defineProperty(navigator, 'doNotTrack', { value: '1' }))
    site.on('request', (request) => requests.push(request.url()))
    await eventually(
      () => stored('page.viewed'),
      (list) => list.length === 1,
    )
    await site.goto(`${app.url}/apps/site-analytics/site/workshop`)
    await site.goto(`${app.url}/apps/site-analytics/site/courses`)
    await site.close()
    expect(requests.some((url) => url.endsWith('/courses'))).toBe(true)
    expect((await stored('page.viewed')).map(({ path }) => path)).toEqual(['/'])
  })

  it('has a switch for generated traffic, which is real, marked, and makes the numbers rise', async () => {
    const dashboard = await open('/apps/site-analytics/')
    await dashboard.getByText('Generate traffic', { exact: false }).first().click()
    await eventually(
      () => tile(dashboard, 'page-views'),
      (count) => count >= 10,
      60_000,
    )
    const before = await tile(dashboard, 'page-views')
    await eventually(
      () => tile(dashboard, 'page-views'),
      (count) => count > before,
      60_000,
    )
    await dashboard.locator('#events .badge', { hasText: 'generated' }).first().waitFor()
    const views = await stored('page.viewed')
    expect(views.every(({ origin }) => origin === 'generated')).toBe(true)
    expect(new Set(views.map(({ visitor }) => visitor)).size).toBeGreaterThan(3)
    await dashboard.getByText('Generate traffic', { exact: false }).first().click()
    await eventually(
      () => dashboard.locator('#traffic').isChecked(),
      (checked) => !checked,
    )
    expect(problems).toEqual([])
  })

  it('shows an imported log, and markup of a visitor as text', async () => {
    const evil = '<img src=x onerror=alert(1)>'
    await app.post({ type: 'page.viewed', data: { path: `/${evil}` } })
    const path = join(app.folder, 'a.log')
    const line = (second: number): string =>
      `192.0.2.1 - - [01/Jan/2024:10:00:0${second} +0000] "GET /from-log HTTP/1.1" 200 10 "-" "Mozilla/5.0 (X11) Firefox/143.0"`
    writeFileSync(path, [line(1), line(2), line(3)].join('\n'))
    await importLog(path, { ...app, visitorOf: () => 'b'.repeat(24) })
    const dashboard = await open('/apps/site-analytics/', {
      colorScheme: 'dark',
      viewport: { width: 390, height: 800 },
    })
    await dashboard.locator('#pages .name', { hasText: evil }).waitFor()
    await dashboard.getByRole('button', { name: 'Imported log' }).click()
    await dashboard.locator('#pages .name', { hasText: '/from-log' }).waitFor()
    await eventually(
      () => tile(dashboard, 'page-views'),
      (count) => count === 3,
    )
    const width = await dashboard.evaluate(() => document.documentElement.scrollWidth)
    expect(width).toBeLessThanOrEqual(390)
    expect(problems).toEqual([])
  })
})
