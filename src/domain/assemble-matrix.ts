import { HEADER, HEADER_BYTES, HEADER_FLOATS, LAYOUT_VERSION, MAGIC } from './matrix-layout.ts'
import { SECTIONS, SECTION_TABLE } from './matrix-layout.ts'
import type { Section } from './matrix-layout.ts'

export type MatrixParts = {
  /** Every section but the text, as words. */
  readonly words: Readonly<Record<Exclude<Section, 'text'>, ArrayLike<number>>>
  readonly text: Uint8Array
  readonly counts: Readonly<Record<CountName, number>>
  /** Epoch milliseconds. */
  readonly takenAt: number
}

type CountName = Exclude<keyof typeof HEADER, 'magic' | 'version' | 'byteLength'>

/** Lays the sections out in one buffer behind a header that says where each one is. */
export function assembleMatrix(parts: MatrixParts): SharedArrayBuffer {
  const extents = new Map<Section, { start: number; bytes: number }>()
  let end = HEADER_BYTES
  for (const section of SECTIONS) {
    const bytes = section === 'text' ? parts.text.length : parts.words[section].length * 4
    extents.set(section, { start: end, bytes })
    end = Math.ceil((end + bytes) / 8) * 8
  }
  const buffer = new SharedArrayBuffer(end)
  writeHeader(buffer, parts)
  const table = new Uint32Array(buffer, 0, HEADER_BYTES / 4)
  for (const [index, section] of SECTIONS.entries()) {
    const { start, bytes } = extents.get(section) ?? { start: 0, bytes: 0 }
    table.set([start, bytes], SECTION_TABLE + index * 2)
    if (section === 'text') new Uint8Array(buffer, start, bytes).set(parts.text)
    else new Uint32Array(buffer, start, bytes / 4).set(parts.words[section])
  }
  return buffer
}

function writeHeader(buffer: SharedArrayBuffer, parts: MatrixParts): void {
  const header = new Uint32Array(buffer, 0, HEADER_BYTES / 4)
  const floats = new Float64Array(buffer, 0, HEADER_BYTES / 8)
  header[HEADER.magic] = MAGIC
  header[HEADER.version] = LAYOUT_VERSION
  header[HEADER.byteLength] = buffer.byteLength
  for (const [name, count] of Object.entries(parts.counts)) {
    header[HEADER[name as CountName]] = count
  }
  floats[HEADER_FLOATS.takenAt] = parts.takenAt
}
