import t from 'tap'
import { sourceOf } from '../../src/http/source-address.ts'

t.test('tells sources apart by address or IPv6 network', (t) => {
  for (const [address, source] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.0.0.9', '10.0.0.9'],
    ['::FFFF:10.0.0.9', '10.0.0.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['a secret that is no address', 'unknown'],
    ['', 'unknown'],
  ] as const) {
    t.equal(sourceOf(address), source, address)
  }
  t.end()
})
