import { waitFor } from '@millrace/core/testing'
import { describe, expect, it } from 'vitest'
import { GROUNDS } from '../../faults/grounds.ts'
import { createScene } from '../../faults/scene.ts'
import { PLANTED_BUGS } from './bugs.ts'

/** A bug may need a rebalance at the right moment: this many rounds are tried until one shows it. */
const ROUNDS = 4
