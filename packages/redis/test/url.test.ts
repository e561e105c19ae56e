import { isMillraceError } from '@millrace/core/driver'
import { describe, expect, test } from 'vitest'
import { redis, redisFromUrl } from '../src/index.ts'

describe('the URL of a Redis', () => {
  test.each([
    ['redis://127.0.0.1', 'redis://127.0.0.1'],
    ['REDIS://user:pass%40word@[::1]:6380/3', 'redis://[::1]:6380/3'],
    ['rediss://:secret@host/0?prefix=shop:', 'rediss://host/0'],
    ['redis+cluster://a:1,b:2', 'redis+cluster://a:1,b:2'],
    ['redis+sentinel://u:p@a,b:26380/main', 'redis+sentinel://a,b:26380/main'],
  ])('%s is named without its secret', (url, name) => {
    expect(redisFromUrl(url).name).toBe(name)
  })

  test.each([
    ['redis:', 'engine_url_invalid'],
    ['redis://', 'engine_url_invalid'],
    ['http://host', 'engine_url_invalid'],
    ['redis://host:99999', 'engine_url_invalid'],
    ['redis://host/zero', 'engine_url_invalid'],
    ['redis://a,b', 'engine_url_invalid'],
    ['redis+sentinel://a', 'engine_url_invalid'],
    ['redis://user:%zz-secret@host', 'engine_url_invalid'],
    ['redis://user:s3cret/6@host:6379', 'engine_url_invalid'],
    ['redis://s3cret:12345/6@host:6379/0', 'engine_url_invalid'],
    ['redis://user:s3cret?6@host', 'engine_url_invalid'],
    ['redis://user:s3cret#6@host', 'engine_url_invalid'],
    ['redis://user:s3cret@host?prefx=a', 'engine_option_unknown'],
    ['redis://host?callTimeoutMs=soon', 'engine_url_invalid'],
    ['redis://host?prefix={a}', 'config_invalid'],
    ['redis://host?callTimeoutMs=1', 'config_invalid'],
  ])('%s is refused with %s', (url, code) => {
    let failure: unknown
    try {
      redisFromUrl(url)
    } catch (error) {
      failure = error
    }
    expect(isMillraceError(failure) && failure.code).toBe(code)
    expect(String(failure)).not.toMatch(/s3cret|zz-secret/)
  })

  test('either a URL or a client', () => {
    expect(() => redis({})).toThrow(/either a URL or a client/)
  })
})

test('what is neither a URL nor options is refused, also where a variable was not set', () => {
  expect(() => redis(undefined as never)).toThrow('Is the variable that holds it set?')
})
