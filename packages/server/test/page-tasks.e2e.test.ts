import { existsSync } from 'node:fs'
import { defineTask } from '@millrace/core'
import { chromium, type Browser, type Locator, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { serving, until, type Serving } from './serving.ts'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)
if (CHROMIUM === undefined)
  console.warn('SKIPPED: the operator page is not tested, because no Chromium is installed in /usr/bin.')

const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
const Report = defineTask('report.build', { input: z.object({ month: z.string() }), attempts: 1 })
const Mail = defineTask('mail.send')

describe.skipIf(CHROMIUM === undefined)('tasks on the operator page', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox'] })
  })
  afterAll(() => browser.close())

  async function open(app: Serving, width = 1280): Promise<{ page: Page; complaints: string[] }> {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: 'dark' })
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    await page.goto(app.url)
    await page.getByText('Live', { exact: true }).waitFor()
    return { page, complaints }
  }

  /** The task of an id in the list; with what is inside when it is open. */
  const taskOf = (page: Page, id: string): Locator => page.locator(`#tasks details[data-key="${id}"]`)

  test('teaches while there is none, and says which queue nobody works on', async () => {
    await using app = await serving()
    const { page, complaints } = await open(app)
    await page.getByText('No queues yet').waitFor()
    expect(await page.locator('#tasks-section').isVisible()).toBe(false)
    await app.millrace.enqueue(Mail, undefined)
    await page.getByText('no worker for mail.send').waitFor()
    await page.getByText('No schedules yet').waitFor()
    expect(complaints).toEqual([])
    await page.close()
  })

  test('pauses a queue and lets it go on, with the keyboard alone', async () => {
    await using app = await serving()
    await app.millrace.enqueue(Mail, undefined)
    const { page, complaints } = await open(app)
    await page.getByRole('button', { name: 'Pause mail.send' }).focus()
    await page.keyboard.press('Enter')
    await page.getByText('paused: nothing is started').waitFor()
    expect(await app.millrace.queues.get('mail.send')).toMatchObject({ paused: true })
    // The focus has stayed where it was.
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Pause mail.send' }).waitFor()
    expect(await app.millrace.queues.get('mail.send')).toMatchObject({ paused: false })
    expect(complaints).toEqual([])
    await page.close()
  })

  test('shows how far a task is, with its lines, and why another waits', async () => {
    await using app = await serving()
    const { promise: finish, resolve } = Promise.withResolvers<void>()
    await app.millrace.work(
      Report,
      async (_input, task) => {
        task.log('drawing has begun')
        task.progress({ done: 30, total: 120, stage: 'drawing' })
        await finish
      },
      { concurrency: 1 },
    )
    await app.millrace.enqueue(Report, { month: '2026-01' }, { id: 'r-1' })
    await app.millrace.enqueue(Report, { month: '2026-02' }, { id: 'r-2', delay: 3_600_000 })
    const { page, complaints } = await open(app)
    // Workers are a group of their own, and no subscription.
    await page.getByText('Nobody reads yet').waitFor()
    await taskOf(page, 'r-1').locator('summary').click()
    await taskOf(page, 'r-1').getByText('25 %, 30 of 120').waitFor()
    expect(await taskOf(page, 'r-1').locator('.task progress').getAttribute('value')).toBe('25')
    await taskOf(page, 'r-1').getByText('drawing has begun').waitFor()
    await taskOf(page, 'r-1').getByText('"month": "2026-01"').waitFor()
    await taskOf(page, 'r-2').locator('summary').click()
    const { text } = await app.millrace.tasks.explain('r-2')
    expect(text).toMatch(/^It is delayed until /)
    await taskOf(page, 'r-2').locator('.why').getByText(text).waitFor()
    resolve()
    await taskOf(page, 'r-1').locator('.state.done').waitFor()
    await taskOf(page, 'r-1').getByText('Took').waitFor()
    expect(complaints).toEqual([])
    await page.close()
  })

  test('filters by queue and state; cancels, retries and discards, and asks where it cannot be taken back', async () => {
    await using app = await serving()
    let isBroken = true
    await app.millrace.work(Report, async () => {
      if (isBroken) throw new Error('the printer is on fire')
    })
    const failing = await app.millrace.enqueue(Report, { month: '2026-01' }, { id: 'r-1' })
    await failing.result().catch(() => {})
    await app.millrace.enqueue(Mail, undefined, { id: 'm-1' })
    const { page, complaints } = await open(app)
    await page.getByLabel('State').selectOption('Dead')
    await taskOf(page, 'm-1').waitFor({ state: 'detached' })
    await taskOf(page, 'r-1').locator('summary').click()
    await taskOf(page, 'r-1').locator('pre').getByText('the printer is on fire').waitFor()
    isBroken = false
    await taskOf(page, 'r-1').getByRole('button', { name: 'Run again' }).click()
    await until(async () => (await app.millrace.tasks.get('r-1')).state === 'done')
    await page.getByText('No task is like this.').waitFor()

    await page.getByRole('button', { name: 'mail.send', exact: true }).click()
    await taskOf(page, 'm-1').locator('summary').click()
    const cancel = taskOf(page, 'm-1').getByRole('button', { name: 'Cancel' })
    await cancel.click()
    await page.locator('#confirm').getByRole('button', { name: 'Cancel' }).first().click()
    expect((await app.millrace.tasks.get('m-1')).state).toBe('ready')
    await cancel.click()
    await page.locator('#confirm-yes').click()
    await taskOf(page, 'm-1').locator('.state.cancelled').waitFor()
    await taskOf(page, 'm-1').getByRole('button', { name: 'Discard' }).click()
    await page.locator('#confirm-yes').click()
    await taskOf(page, 'm-1').waitFor({ state: 'detached' })
    await expect(app.millrace.tasks.get('m-1')).rejects.toMatchObject({ code: 'task_unknown' })
    expect(complaints).toEqual([])
    await page.close()
  })

  test('runs, skips, pauses and resumes a schedule', async () => {
    await using app = await serving()
    await app.millrace.schedules.put('nightly', { cron: '0 2 * * *', timeZone: 'Europe/Berlin' }, { task: Mail })
    const [, second] = await app.millrace.schedules.next('nightly', 2)
    const { page, complaints } = await open(app)
    await page.getByText('0 2 * * * (Europe/Berlin)').waitFor()
    await page.getByRole('button', { name: 'Run now nightly' }).click()
    await page.locator('#toast').getByText('Added the task').waitFor()
    expect(await app.millrace.tasks.list()).toMatchObject([{ name: 'mail.send', state: 'ready' }])
    await page.getByRole('button', { name: 'Skip next nightly' }).click()
    await until(async () => (await app.millrace.schedules.get('nightly')).nextAt === second)
    await page.getByRole('button', { name: 'Pause nightly' }).click()
    await page.locator('#schedules').getByText('paused', { exact: true }).waitFor()
    expect(await page.getByRole('button', { name: 'Skip next nightly' }).isDisabled()).toBe(true)
    await page.getByRole('button', { name: 'Resume nightly' }).click()
    await until(async () => !(await app.millrace.schedules.get('nightly')).paused)
    expect(complaints).toEqual([])
    await page.close()
  })

  test('markup in inputs, keys, lines, progress and errors stays text, and fits a phone', async () => {
    await using app = await serving()
    const Odd = defineTask('odd', { input: z.record(z.string(), z.string()), attempts: 1 })
    await app.millrace.work(Odd, async (_input, task) => {
      task.log(HOSTILE)
      task.progress({ done: 1, total: 2, stage: HOSTILE.slice(0, 60), message: HOSTILE })
      throw new Error(HOSTILE)
    })
    const id = HOSTILE.slice(0, 40)
    const handle = await app.millrace.enqueue(Odd, { [HOSTILE]: 'x'.repeat(500) }, { id, key: HOSTILE.slice(0, 60) })
    await handle.result().catch(() => {})
    const { page, complaints } = await open(app, 390)
    await page.locator('#tasks summary').first().click()
    await page.locator('#tasks pre').getByText('onerror').first().waitFor()
    await page.locator('#tasks .quiet').getByText('onerror').first().waitFor()
    expect(await page.title()).toBe('shop – Millrace')
    expect(await page.locator('main img, main script').count()).toBe(0)
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    expect(complaints).toEqual([])
    await page.close()
  })
})
