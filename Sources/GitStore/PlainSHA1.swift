internal import CLibCrypto

/// SHA-1 (FIPS 180-4) of a stream of bytes, without a look for collisions: by OpenSSL, which uses the processor's instructions for it.
///
/// Four times as fast as the collision-detecting one (1.5 GB/s and 0.4 GB/s where measured). It is enough for the checksums of packs,
/// which find damage only; for ciphertext that was just made, whose bytes nobody can have chosen; and for comparing an object that was
/// let in by ``ObjectName/checked(_:_:)``, which refuses both contents of a collision, with its name.
@safe
final class PlainSHA1 {
  // SAFETY (Sendable): fetched once, never freed, and read only: EVP_MD_fetch(3).
  @safe private struct Algorithm: @unchecked Sendable {
    let pointer: OpaquePointer?
  }

  private static let algorithm = unsafe Algorithm(pointer: EVP_MD_fetch(nil, "SHA1", nil))

  /// Whether OpenSSL, as it is set up here, has SHA-1 at all; without it nothing in this module works.
  static var isAvailable: Bool { unsafe algorithm.pointer != nil }

  private let context: OpaquePointer

  init() {
    guard let context = unsafe EVP_MD_CTX_new(), unsafe EVP_DigestInit_ex2(context, Self.algorithm.pointer, nil) == 1
    else {
      preconditionFailure("SHA-1 cannot be begun")
    }
    unsafe self.context = context
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  func add(_ bytes: [UInt8]) { unsafe bytes.withUnsafeBytes { unsafe add($0) } }

  func add(_ bytes: UnsafeRawBufferPointer) {
    // SAFETY: reads `bytes.count` bytes, which outlive the call.
    let isAdded = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1
    precondition(isAdded, "SHA-1 has ended")
  }

  /// The 20 bytes of the hash; once, as the last call.
  func finish() -> ObjectName {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    // SAFETY: `digest` has room for every digest.
    let isFinished = unsafe EVP_DigestFinal_ex(context, &digest, &count) == 1
    guard isFinished, let name = ObjectName(bytes: digest.prefix(Int(count))) else {
      preconditionFailure("SHA-1 has ended")
    }
    return name
  }
}
