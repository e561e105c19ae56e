import { decodeBinary, encodeBinary, isBinaryMode } from '@millrace/core/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arbitraryEvent, foreignEvent } from './arbitrary-event.ts'
import { failure } from './failure.ts'

const least = { 'ce-specversion': '1.0', 'ce-id': 'i', 'ce-source': '/s', 'ce-type': 'order.placed' }
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('decodeBinary', () => {
  it('reads attributes from headers of any case and data from the body', () => {
    const headers = new Headers({
      ...least,
      'CE-Subject': 'Euro%20%E2%82%AC%20%F0%9F%98%80',
      'content-type': 'application/json',
      'ce-zone': '"a \\"b\\""',
      host: 'x',
    })
    expect(isBinaryMode(headers)).toBe(true)
    const event = decodeBinary(headers, bytes('{"a":1}'))
    expect(event).toMatchObject({ id: 'i', type: 'order.placed', source: '/s', subject: 'Euro € 😀', data: { a: 1 } })
    expect(event.metadata.extensions).toEqual({ zone: 'a "b"' })
  })

  it.each([
    ['application/json', '[1]', [1], undefined],
    ['application/vnd.api+json', '{"a":1}', { a: 1 }, { datacontenttype: 'application/vnd.api+json' }],
    [undefined, '5', 5, undefined],
    ['text/plain', '\ufeffhé', '\ufeffhé', { datacontenttype: 'text/plain' }],
    ['application/xml', '<a/>', 'PGEvPg==', { datacontenttype: 'application/xml', data_base64: true }],
    ['application/json', '', undefined, undefined],
  ])('reads %s', (contentType, body, data, extensions) => {
    const event = decodeBinary({ ...least, 'content-type': contentType }, bytes(body))
    expect(event.data).toEqual(data)
    expect(event.metadata.extensions).toEqual(extensions)
  })

  it('keeps text of another character set as bytes', () => {
    const event = decodeBinary({ ...least, 'content-type': 'text/plain; charset=latin1' }, new Uint8Array([0xe9]))
    expect(event).toMatchObject({ data: '6Q==', metadata: { extensions: { data_base64: true } } })
  })

  it.each([
    ['specversion', { ...least, 'ce-specversion': '0.3' }, '{}'],
    ['id', { ...least, 'ce-id': undefined }, '{}'],
    ['subject', { ...least, 'ce-subject': 'é' }, '{}'],
    ['subject', { ...least, 'ce-subject': '100%' }, '{}'],
    ['subject', { ...least, 'ce-subject': '%ff' }, '{}'],
    ['subject', { ...least, 'ce-subject': 'a%0d%0ab' }, '{}'],
    ['subject', { ...least, 'ce-subject': 'a\r\nb' }, '{}'],
    ['id', { ...least, 'ce-id': ['a', 'b'] }, '{}'],
    ['id', { ...least, 'CE-ID': 'other' }, '{}'],
    ['data', { ...least, 'ce-data': '{}' }, ''],
    ['my-name', { ...least, 'ce-my-name': 'x' }, '{}'],
    ['__proto__', { ...least, 'ce-__proto__': 'x' }, '{}'],
    ['ce-id', { ...least, 'ce-id': 5 as unknown as string }, '{}'],
    ['data', { ...least, 'content-type': 'application/json' }, '{'],
    ['traceparent', { ...least, 'ce-traceparent': 'garbage' }, '{}'],
  ])('refuses, by its name, %s', (path, headers, body) => {
    expect(failure(() => decodeBinary(headers, bytes(body)))).toMatchObject({ code: 'event_malformed', path })
  })

  it('refuses a body that is too large before it parses it', () => {
    expect(failure(() => decodeBinary(least, 'x'.repeat(10_000_000)))).toMatchObject({ code: 'limit_exceeded' })
  })
})

it('an event comes back from binary mode as it was, but for extensions, which become text', () => {
  fc.assert(
    fc.property(fc.oneof(arbitraryEvent, foreignEvent), (event) => {
      const { headers, body } = encodeBinary(event)
      for (const value of Object.values(headers)) expect(value).toMatch(/^[\x20-\x7e]*$/)
      const { extensions, ...metadata } = event.metadata
      const texts =
        extensions &&
        Object.fromEntries(
          Object.entries(extensions).map(([name, value]) => [name, name === 'data_base64' ? value : String(value)]),
        )
      const decoded = decodeBinary(headers, typeof body === 'string' ? bytes(body) : (body ?? ''))
      if (texts?.['data_base64'] === true) texts['datacontenttype'] ??= 'application/octet-stream'
      expect(decoded).toEqual({
        ...event,
        metadata: texts === undefined ? metadata : { ...metadata, extensions: texts },
      })
    }),
  )
})
