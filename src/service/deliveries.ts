import { EVENT_TARGETS } from '../domain/delivery.ts'
import { openWebhookSender } from '../webhooks/webhook-sender.ts'
import { DeliveryRunner } from '../worker/delivery-runner.ts'
import type { Parts } from './parts.ts'

/** What brings events to those who want to know. */
export function createDeliveries(parts: Parts, stack: AsyncDisposableStack) {
  const { config, logger, metrics, now, store } = parts
  const { addresses, secrets } = config.webhooks
  const sender = stack.use(openWebhookSender({ addresses, secrets, now }))
  const targets = EVENT_TARGETS.filter((target) => addresses[target])
  const runner = new DeliveryRunner({ store: store.deliveries, targets, sender, metrics, logger })
  return stack.use(runner)
}
