import { assertEventType, assertGroupName, assertTopicName, matchesPattern, topicOf } from '@millrace/core/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failure } from './failure.ts'

describe('names', () => {
  it.each(['a', 'order.placed', 'user-profile.changed_2', '0', 'a'.repeat(200)])('takes "%s"', (name) => {
    assertEventType(name)
    assertTopicName(name)
    assertGroupName(name)
  })

  it.each([
    '',
    '.',
    '..',
    'a..b',
    '.a',
    'a.',
    'a-',
    'a.-b',
    'A',
    'ä',
    'a b',
    'a\r\nb',
    '*',
    '>',
    '#',
    '$sys.x',
    '/../',
    '%00',
    'a'.repeat(201),
    'a\n',
    5,
    null,
  ])('refuses %j', (name) => {
    for (const check of [assertEventType, assertTopicName, assertGroupName]) {
      expect(failure(() => check(name as string))).toMatchObject({ code: 'event_name_invalid' })
    }
  })

  it('lets groups have colons', () => {
    assertGroupName('agent:sentiment')
    expect(failure(() => assertTopicName('agent:sentiment'))).toMatchObject({
      code: 'event_name_invalid',
      path: 'topic',
    })
  })
})

describe('topicOf', () => {
  it.each([
    ['order.placed', 'order'],
    ['user-profile.changed', 'user-profile'],
    ['com.github.push', 'com'],
    ['Order Placed!', 'order-placed'],
    ['OrderPlaced', 'orderplaced'],
    ['a__b.c', 'a_b'],
    ['..x', 'x'],
    ['注文.created', 'created'],
    ['!!!', 'other'],
    ['/orders/created', 'orders-created'],
  ])('%s -> %s', (type, topic) => {
    expect(topicOf(type)).toBe(topic)
  })

  it('is a legal topic whatever the type is', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (type) => assertTopicName(topicOf(type))))
  })
})

describe('matchesPattern', () => {
  it.each([
    ['order.placed', 'order.placed', true],
    ['order.placed', 'order.placed.late', false],
    ['order.*', 'order.placed', true],
    ['order.*', 'order.placed.late', false],
    ['order.*', 'order', false],
    ['order.*', 'orders.placed', false],
    ['order.*', 'order.', false],
    ['*.placed', 'order.placed', true],
    ['*.placed', 'order.paid', false],
    ['a.*.c', 'a.b.c', true],
    ['a.*.c', 'a.b.d', false],
    ['order.**', 'order.placed', true],
    ['order.**', 'order.placed.late', true],
    ['order.**', 'order', false],
    ['order.**', 'orders.placed', false],
    ['*.b.**', 'a.b.c.d', true],
    ['*.b.**', 'a.b', false],
    ['**', 'anything at all', true],
    ['*', 'order', true],
    ['*', 'order.placed', false],
    ['Order Placed!', 'Order Placed!', true],
    ['order+placed', 'orderrplaced', false],
  ])('%s on %s: %s', (pattern, type, expected) => {
    expect(matchesPattern(pattern, type)).toBe(expected)
  })

  it.each(['', 'order.pl*', '**.a', 'a..b', 'a.***', '.', 'a.'])('refuses "%s"', (pattern) => {
    expect(failure(() => matchesPattern(pattern, 'a'))).toMatchObject({ code: 'event_name_invalid', path: 'pattern' })
  })
})
