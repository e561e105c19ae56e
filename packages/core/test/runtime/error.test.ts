import { isMillraceError, MillraceError } from '@millrace/core/contract'
import { expect, it } from 'vitest'

it('carries code, path, facts and cause, and its title', () => {
  const cause = new Error('beneath')
  const error = new MillraceError('topic_full', 'The topic "order" is full.', {
    cause,
    path: 'topic',
    retriable: true,
    facts: { limit: 5 },
  })
  expect(error).toMatchObject({
    name: 'MillraceError',
    code: 'topic_full',
    path: 'topic',
    retriable: true,
    facts: { limit: 5 },
    cause,
  })
  expect(error.title).toBe('The topic is at its hard cap and a group has not read its events')
  expect(error).toBeInstanceOf(Error)
})

it('leaves out what is not given', () => {
  const error = new MillraceError('closed', 'It is closed.')
  expect(error).toMatchObject({ path: undefined, retriable: false, facts: {} })
  expect('cause' in error).toBe(false)
})

it('is known across copies of the package, by its name and code', () => {
  const foreign = Object.assign(new Error('x'), { name: 'MillraceError', code: 'closed' })
  expect(isMillraceError(foreign)).toBe(true)
  expect(isMillraceError(foreign, 'closed')).toBe(true)
  expect(isMillraceError(foreign, 'aborted')).toBe(false)
  for (const other of [
    new Error('x'),
    { name: 'MillraceError', code: 'closed' },
    null,
    undefined,
    'x',
    Object.assign(new Error('x'), { code: 'closed' }),
  ]) {
    expect(isMillraceError(other)).toBe(false)
  }
})
