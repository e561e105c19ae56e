import { existsSync } from 'node:fs'
import { defineEvent, type EventMessage } from '@millrace/core'
import { decodeEvent } from '@millrace/core/contract'
import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { cloudEvent, serving, until, type Serving } from './serving.ts'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)
if (CHROMIUM === undefined)
  console.warn('SKIPPED: the operator page is not tested, because no Chromium is installed in /usr/bin.')

const OrderPlaced = defineEvent('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (data) => data.orderId,
})
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
const event = (id: string, more: object = {}): EventMessage => decodeEvent(cloudEvent(id, more))

describe.skipIf(CHROMIUM === undefined)('the operator page', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox'] })
  })
  afterAll(() => browser.close())

  /** A page whose every error, refused script and failed request is kept. */
  async function open(app: Serving): Promise<{ page: Page; complaints: string[] }> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    await page.goto(app.url)
    await page.getByText('Live', { exact: true }).waitFor()
    return { page, complaints }
  }

  test('teaches when there is nothing yet', async () => {
    await using app = await serving()
    const { page, complaints } = await open(app)
    await page.getByText('No topics yet').waitFor()
    expect(await page.locator('#topics pre').textContent()).toContain(`curl ${app.url}/v1/events`)
    await page.getByText('Nobody reads yet').waitFor()
    await page.getByText('Nothing has failed for good').waitFor()
    expect(complaints).toEqual([])
    await page.close()
  })

  test('shows what runs, follows events live, and can pause', async () => {
    await using app = await serving({
      server: {
        mounts: [{ path: '/demo', name: 'Demo shop', description: 'Sells', fetch: () => new Response('demo') }],
      },
    })
    await app.millrace.publish(event('first'))
    await app.millrace.subscribe(OrderPlaced, () => {}, { group: 'billing' })
    const { page, complaints } = await open(app)
    await page.locator('#topics').getByText('order', { exact: true }).waitFor()
    await page.locator('#groups').getByText('billing', { exact: true }).waitFor()
    await page.locator('#facts').getByText('memory', { exact: true }).first().waitFor()
    await page.locator('#live').getByText('first', { exact: true }).waitFor()
    await app.millrace.publish(event('second'))
    await page.locator('#live').getByText('second', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await app.millrace.publish(event('third'))
    await page.getByText('Paused; 1 newer event').waitFor()
    expect(await page.locator('#live').getByText('third', { exact: true }).count()).toBe(0)
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.locator('#live').getByText('third', { exact: true }).waitFor()
    expect(await page.getByRole('link', { name: 'Demo shop' }).getAttribute('href')).toBe('/demo/')
    expect(complaints).toEqual([])
    await page.close()
  })

  test('groups dead letters, asks before it acts, requeues and discards', async () => {
    await using app = await serving()
    const handled: string[] = []
    let isBroken = true
    await app.millrace.subscribe(
      OrderPlaced,
      ({ id }) => {
        if (isBroken) throw new Error('The bank is closed')
        handled.push(id)
      },
      { group: 'billing', from: 'earliest', retry: { attempts: 1 } },
    )
    await app.millrace.publishBatch(Array.from({ length: 5 }, (_, at) => event(`e-${at}`)))
    const { page, complaints } = await open(app)
    await page.getByText('The bank is closed').click()
    await page.locator('.letter').first().getByRole('button', { name: 'Show' }).click()
    await page.locator('.letter .inside pre').first().getByText('orderId').waitFor()
    isBroken = false
    await page.getByRole('button', { name: 'Requeue all' }).click()
    await page.getByRole('button', { name: 'Cancel' }).click()
    expect(await app.millrace.deadLetters.list()).toHaveLength(5)
    await page.getByRole('button', { name: 'Requeue all' }).click()
    await page.getByRole('button', { name: 'Requeue 5' }).click()
    await page.getByText('5 events handed back.').waitFor()
    await until(() => handled.length === 5)
    await page.getByText('Nothing has failed for good').waitFor()
    expect(complaints).toEqual([])
    await page.close()
  })

  test('69: markup in names, keys, data and errors stays text', async () => {
    await using app = await serving()
    await app.millrace.subscribe(
      '**',
      () => {
        throw new Error(HOSTILE)
      },
      { group: 'billing', from: 'earliest', retry: { attempts: 1 } },
    )
    await app.millrace.publish(
      event(HOSTILE.slice(0, 60), {
        key: HOSTILE.slice(0, 60),
        partitionkey: HOSTILE.slice(0, 60),
        data: { [HOSTILE]: HOSTILE },
      }),
    )
    const { page, complaints } = await open(app)
    await page.locator('#dead-letters').getByText(HOSTILE).click()
    await page.locator('#live summary').first().click()
    await page.locator('#live pre').getByText('onerror').first().waitFor()
    expect(await page.title()).toBe('shop – Millrace')
    expect(await page.locator('main img, main script').count()).toBe(0)
    expect(complaints).toEqual([])
    await page.close()
  })

  test.each([
    ['light', 1280],
    ['dark', 390],
  ] as const)('fits its window: %s, %i wide', async (colorScheme, width) => {
    await using app = await serving()
    await app.millrace.publish(event('x'.repeat(200), { partitionkey: 'k'.repeat(200) }))
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } })
    await page.goto(app.url)
    await page.locator('#live summary').first().waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await page.close()
  })
})
