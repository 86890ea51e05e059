import { openWebhookSender } from '../webhooks/webhook-sender.ts'
import { DeliveryRunner } from '../worker/delivery-runner.ts'
import type { Parts } from './parts.ts'

/** What brings events to those who want to know. */
export function createDeliveries(parts: Parts, stack: AsyncDisposableStack) {
  const { config, logger, metrics, now, store } = parts
  const { addresses, secret } = config.webhooks
  const sender = stack.use(openWebhookSender({ addresses, secret, now }))
  const { deliveries } = store
  return stack.use(new DeliveryRunner({ store: deliveries, sender, metrics, logger }))
}
