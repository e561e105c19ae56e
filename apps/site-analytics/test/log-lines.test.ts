import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { crawlerName } from '../src/crawler-name.ts'
import { LONGEST_LINE, readCombinedLine } from '../src/log/combined-line.ts'
import { resourceKind } from '../src/log/log-event.ts'
import { readLines } from '../src/log/read-lines.ts'
import { RAW_CHARACTERS, printable } from '../src/printable.ts'

const NOW = Date.UTC(2026, 0, 1)
const GOOD =
  '192.0.2.7 - - [17/May/2015:10:05:03 +0200] "GET /a?b=c HTTP/1.1" 200 2030 "http://x.example/" "Mozilla/5.0 (\\"quoted\\")"'

describe('a line of the combined format', () => {
  it('is read with its time zone', () => {
    expect(readCombinedLine(GOOD, NOW)).toEqual({
      address: '192.0.2.7',
      time: Date.UTC(2015, 4, 17, 8, 5, 3),
      method: 'GET',
      target: '/a?b=c',
      status: 200,
      referrer: 'http://x.example/',
      userAgent: 'Mozilla/5.0 (\\"quoted\\")',
    })
  })

  it('may be of the older common format, or hold a whole address', () => {
    const common = readCombinedLine(
      '::1 - bob [01/Jan/2020:00:00:00 -0000] "GET http://h.example/p?q HTTP/1.0" 404 -',
      NOW,
    )
    expect(common).toMatchObject({ address: '::1', target: '/p?q', status: 404, userAgent: undefined })
  })

  it.each([
    ['', 'The line is empty'],
    [GOOD.slice(0, 60), 'The line is not in the combined format'],
    [GOOD.replace('"GET', "'GET"), 'The line is not in the combined format'],
    [GOOD.replace('17/May/2015', '31/Feb/2015'), 'The time is not a time that was'],
    [GOOD.replace('17/May/2015', '17/May/9999'), 'The time is not a time that was'],
    [GOOD.replace('17/May/2015', '17/May/0001'), 'The time is not a time that was'],
    [GOOD.replace('10:05:03', '25:61:03'), 'The time is not a time that was'],
    [GOOD.replace('" 200 ', '" 999 '), 'The status is not an HTTP status'],
    [GOOD.replace('GET /a?b=c HTTP/1.1', '-'), 'The request is not an HTTP request'],
    [GOOD.replace('GET /a?b=c HTTP/1.1', '\\x16\\x03\\x01'), 'The request is not an HTTP request'],
    [`${GOOD}\u0000\u0001`, 'The line holds binary data'],
    ['x'.repeat(LONGEST_LINE + 1), 'The line is longer than 64 KiB'],
  ])('is refused when it is %.40j', (line, reason) => {
    expect(readCombinedLine(line, NOW)).toEqual({ reason })
  })

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), mutated()), (line) => {
        const read = readCombinedLine(line, NOW)
        if (!('reason' in read)) expect(read.target.startsWith('/')).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })
})

function mutated(): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(GOOD.length), fc.nat(20), fc.string({ maxLength: 20 }))
    .map(([at, cut, insert]) => GOOD.slice(0, at) + insert + GOOD.slice(at + cut))
}

it.each([
  ['/', undefined],
  ['/about.html', undefined],
  ['/files/v1.3.2', undefined],
  ['/?flav=rss20', 'feed'],
  ['/blog/feed/', 'feed'],
  ['/logo.PNG?x=1', 'image'],
  ['/a.css', 'style'],
  ['/robots.txt', 'other'],
  ['/paper.pdf', 'download'],
])('takes %s for %s', (target, kind) => {
  const request = {
    address: '',
    time: 0,
    method: 'GET',
    target,
    status: 200,
    referrer: undefined,
    userAgent: undefined,
  }
  expect(resourceKind(request)).toBe(kind)
})

it('tells crawlers from people', () => {
  expect(crawlerName('Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)')).toBe('Googlebot')
  expect(crawlerName('-')).toBe('no user agent')
  expect(crawlerName('Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0')).toBeUndefined()
})

describe('reading lines', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lines-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  async function linesOf(
    content: Uint8Array | string,
  ): Promise<readonly { number: number; text: string; tooLong: boolean }[]> {
    const path = join(folder, randomBytes(6).toString('hex'))
    writeFileSync(path, content)
    const lines = []
    for await (const bunch of readLines(path)) lines.push(...bunch)
    return lines
  }

  it('numbers them, with and without a last line end, with Windows ends', async () => {
    const lines = [
      { number: 1, text: 'a', tooLong: false },
      { number: 2, text: '', tooLong: false },
      { number: 3, text: 'c', tooLong: false },
    ]
    expect(await linesOf('a\n\nc')).toEqual(lines)
    expect(await linesOf('a\r\n\r\nc\n')).toEqual(lines)
    expect(await linesOf('')).toEqual([])
  })

  it('unpacks gzip, several members of it, and zstd', async () => {
    const packed = Buffer.concat([gzipSync('one\ntw'), gzipSync('o\n')])
    expect((await linesOf(packed)).map(({ text }) => text)).toEqual(['one', 'two'])
    expect((await linesOf(zstdCompressSync('one\ntwo'))).map(({ text }) => text)).toEqual(['one', 'two'])
  })

  it('keeps only the beginning of a line of a megabyte, and goes on behind it', async () => {
    const lines = await linesOf(`a\n${'x'.repeat(1024 * 1024)}\nb`)
    expect(lines.map(({ number, tooLong }) => [number, tooLong])).toEqual([
      [1, false],
      [2, true],
      [3, false],
    ])
    expect(lines[1]?.text.length).toBe(LONGEST_LINE)
  })

  it('fails on a gzip file that was cut off', async () => {
    await expect(linesOf(gzipSync('one\n'.repeat(10_000)).subarray(0, 60))).rejects.toThrow(/unexpected end/)
  })
})

it('makes any input printable and short', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 5_000 }), (input) => {
      const { text, truncated } = printable(input)
      expect(text.length).toBeLessThanOrEqual(RAW_CHARACTERS)
      expect(text.isWellFormed()).toBe(true)
      expect(text).not.toMatch(/\p{Cc}/u)
      if (input.length > RAW_CHARACTERS) expect(truncated).toBe(true)
    }),
  )
  expect(printable('a\u001b[31m\n\u202e').text).toBe('a\\x1b[31m\\x0a\\u202e')
})
