import type { Engine } from '@millrace/core/driver'
import type { Points } from '../points.ts'

/** The engine with places at which a worker kills itself around its ports of tasks. */
export function withTaskPoints(engine: Engine, points: Points): Engine {
  return {
    name: engine.name,
    open(runtime) {
      const driver = engine.open(runtime)
      const { tasks, schedules } = driver.stores
      if (tasks === undefined || schedules === undefined) return driver
      return {
        ...driver,
        stores: {
          ...driver.stores,
          tasks: {
            ...tasks,
            enqueue: (added) =>
              around(() => tasks.enqueue(added), {
                underWay: () => points.pass('enqueue-under-way'),
                after: () => points.pass('after-enqueue'),
              }),
            exchange: (request) =>
              around(() => tasks.exchange(request), {
                underWay: () => request.settles.length > 0 && points.pass('task-settle-under-way'),
                after({ claimed }) {
                  if (request.settles.length > 0) points.pass('after-task-settle')
                  if (claimed.some((claim) => claim.tasks.length > 0)) points.pass('after-task-claim')
                },
              }),
            reclaim: (request) =>
              around(() => tasks.reclaim(request), { underWay: () => points.pass('reclaim-under-way'), after() {} }),
          },
          schedules: {
            ...schedules,
            fire: (firing) =>
              around(() => schedules.fire(firing), {
                underWay: () => points.pass('firing-under-way'),
                after: () => points.pass('after-firing'),
              }),
          },
        },
      }
    },
  }
}

async function around<Answer>(
  call: () => Promise<Answer>,
  { underWay, after }: { underWay(): unknown; after(answer: Answer): void },
): Promise<Answer> {
  const asked = call()
  // The request leaves with the current turn of the loop.
  setImmediate(underWay)
  const answer = await asked
  after(answer)
  return answer
}
