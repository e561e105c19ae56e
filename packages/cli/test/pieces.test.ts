import { Readable } from 'node:stream'
import type { StoredEvent } from '@millrace/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nearest } from '../src/config/nearest.ts'
import { maskUrl, secretsOf } from '../src/config/secrets.ts'
import { causationTree } from '../src/causation-tree.ts'
import { momentAhead, parseMoment, startOf } from '../src/input/moment.ts'
import { linesOf } from '../src/input/lines.ts'
import { printable, safeJson } from '../src/output/escape.ts'
import { cut, printTable } from '../src/output/table.ts'
import type { Output } from '../src/output/output.ts'

test('text for a terminal holds nothing that a terminal obeys, and JSON stays the same value', () => {
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  const obeyed = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(obeyed)
      expect(safeJson({ text })).not.toMatch(obeyed)
      expect(JSON.parse(safeJson({ text }))).toEqual({ text })
    }),
  )
  expect(printable('a\u001b[31m\nb\u202e')).toBe('a\\x1b[31m\\nb\\u202e')
})

test('no part of a password is left in a masked URL', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }).filter((secret) => !/[\s@]/.test(secret)),
      (noise) => {
        const url = `redis://user:hidden${noise}@${noise}hidden@host:6379/0`
        expect(maskUrl(url)).toBe('redis://user:***@host:6379/0')
      },
    ),
  )
  expect(maskUrl('kafka://h1,h2?user=me&password=abc')).toBe('kafka://h1,h2?user=me&password=***')
  expect(maskUrl('sqlite:./app.db')).toBe('sqlite:./app.db')
  expect(secretsOf('redis://u:a%40bc@host')).toEqual(['a%40bc', 'a@bc'])
})

test('the nearest name is proposed, and none when nothing is near', () => {
  expect(nearest('recieve', ['receive', 'remove'])).toBe('receive')
  expect(nearest('x', ['publish', 'tail'])).toBeUndefined()
})

test('times are taken as RFC 3339, as days and as ages', () => {
  expect(parseMoment('2026-11-21')).toEqual(new Date('2026-11-21T00:00:00Z'))
  expect(parseMoment('2026-11-21T10:00:00+02:00')).toEqual(new Date('2026-11-21T08:00:00Z'))
  expect(parseMoment('15m', 1_000_000)).toEqual(new Date(100_000))
  expect(() => parseMoment('2026-02-30')).toThrow('does not exist')
  expect(() => parseMoment('2026-13-01')).toThrow('does not exist')
  expect(momentAhead('2026-11-21', '--at')).toEqual(new Date('2026-11-21T00:00:00Z'))
  expect(() => momentAhead('15m', '--at')).toThrow('--at 15m is an age')
  expect(startOf('W1tbIm1haWwi')).toEqual({ cursor: 'W1tbIm1haWwi' })
})

test('lines come out the same however the bytes are cut', async () => {
  const bytes = Buffer.from('\uFEFF{"a":"ž"}\r\n\n  \n{"b":2}')
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 6 }), async (cuts) => {
      const places = [0, ...cuts.toSorted((left, right) => left - right), bytes.length]
      const chunks = places.slice(1).map((end, at) => bytes.subarray(places[at], end))
      const lines = await Array.fromAsync(linesOf(Readable.from(chunks)))
      expect(lines.map(({ number, text }) => [number, text])).toEqual([
        [1, '{"a":"ž"}'],
        [4, '{"b":2}'],
      ])
    }),
  )
})

test('a line that is no text or has no end is a fault of that line alone', async () => {
  const huge = Array.from({ length: 5 }, () => Buffer.alloc(1024 * 1024, 120))
  const lines = await Array.fromAsync(linesOf(Readable.from([Buffer.from([0xff, 10]), ...huge, Buffer.from('\n{}')])))
  expect(lines).toEqual([
    { number: 1, text: '', fault: expect.stringContaining('UTF-8') },
    { number: 2, text: '', fault: expect.stringContaining('longer') },
    { number: 3, text: '{}', fault: undefined },
  ])
})

test('a flow is a tree by causation, in which each event is once, circles included', () => {
  const event = (id: string, causationId?: string): StoredEvent =>
    ({ id, metadata: { causationId } }) as unknown as StoredEvent
  const shape = (nodes: ReturnType<typeof causationTree>): unknown =>
    nodes.map((node) => [node.event.id, shape(node.children)])
  expect(
    shape(causationTree([event('a'), event('b', 'a'), event('c', 'b'), event('d', 'a'), event('e', 'elsewhere')])),
  ).toEqual([
    [
      'a',
      [
        ['b', [['c', []]]],
        ['d', []],
      ],
    ],
    ['e', []],
  ])
  expect(shape(causationTree([event('a', 'b'), event('b', 'a')]))).toEqual([['a', [['b', []]]]])
})

test('a table is cut to the width of a terminal, and only there', async () => {
  const print = async (width: number | undefined): Promise<readonly string[]> => {
    const lines: string[] = []
    const output = {
      width,
      line: async (text: string) => void lines.push(text),
      paint: (_style: unknown, text: string) => text,
    } as unknown as Output
    const rows = [
      { name: '注文', text: 'x'.repeat(60) },
      { name: 'order', text: 'short' },
    ]
    await printTable(output, rows, [
      { title: 'name', value: (row) => row.name, align: 'right' },
      { title: 'text', value: (row) => row.text },
    ])
    return lines
  }
  expect(await print(undefined)).toEqual([' NAME  TEXT', ` 注文  ${'x'.repeat(60)}`, 'order  short'])
  expect(await print(30)).toEqual([' NAME  TEXT', ` 注文  ${'x'.repeat(22)}…`, 'order  short'])
  expect(cut('注文注文', 5)).toBe('注文…')
})
