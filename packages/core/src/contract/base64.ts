const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Whether a text is base64 as RFC 4648 § 4 writes it: the standard alphabet, padded, without line breaks. */
export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && BASE64.test(text)
}

/** The bytes of a base64 text as `isBase64` accepts it. */
export function base64ToBytes(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at)
  return bytes
}

/** Bytes as base64. */
export function bytesToBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let from = 0; from < bytes.length; from += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(from, from + CHUNK))
  }
  return btoa(binary)
}

/** More arguments than this could overflow the stack of the host. */
const CHUNK = 8_192

/** The text of bytes in UTF-8, a byte order mark kept. Throws a TypeError for other bytes. */
export function bytesToText(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of UTF-8 bytes in base64. Throws as `bytesToText` does. */
export function base64ToText(text: string): string {
  return bytesToText(base64ToBytes(text))
}
