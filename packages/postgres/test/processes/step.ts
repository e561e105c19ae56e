import type { StandardSchema } from '@millrace/core/contract'

/** What the steps of the tests carry. */
export interface Step {
  readonly key: string
  readonly number: number
}

export const anySchema: StandardSchema<Step> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Step }) },
}
