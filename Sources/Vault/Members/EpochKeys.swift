internal import Age
internal import Dispatch
internal import GitStore
internal import SecretMemory

/// The vault keys that this node holds, one age identity for each epoch.
///
/// New objects are sealed under the newest. Headers for them are prepared ahead, off the writers' way: a header does not depend on what it heads.
final class EpochKeys: Sendable {
  private let identities: [X25519Identity]
  /// Whether they are all that the vault has.
  private let isComplete: Bool
  /// Nil if the newest epoch's key is none of them: what this node writes under an older one, others may read who must not.
  private let prepared: HeaderPool?
  private let refilling = DispatchQueue(label: "polykey.headers", qos: .utility)

  /// Headers kept ready: a burst of writes that is longer pays for its own.
  private static let stock = 256

  /// Opens the keys that are encrypted to `identity`, the newest first, then those of forks that lost; nil if none is.
  init?(of log: MembershipLog, in source: some ObjectSource, identity: Identity) throws(VaultError) {
    var identities: [X25519Identity] = []
    var newest: X25519Identity?
    var isComplete = true
    var seen: Set<ObjectName> = []
    let files = KeyFiles(identity: identity)
    for state in [log.current] + log.lostStates {
      for (epoch, blob) in state.keys.sorted(by: { $0.key > $1.key }) where seen.insert(blob).inserted {
        let keys = try files.identities(blob, in: source)
        if keys == nil { isComplete = false }
        if epoch == state.epoch, state.commit == log.tip { newest = keys?.first }
        identities += keys ?? []
      }
    }
    guard !identities.isEmpty else { return nil }
    self.identities = identities
    self.isComplete = isComplete
    prepared = newest.map { HeaderPool(for: $0.recipient, capacity: EpochKeys.stock) }
  }

  /// An age file of the pieces one after the other.
  ///
  /// Throws ``VaultError/roleForbids`` if this node was not given the newest epoch's key.
  func encrypt(_ pieces: [PlainBytes]) throws(VaultError) -> [UInt8] {
    guard let prepared else { throw .roleForbids }
    do {
      let header = try prepared.take()
      refill()
      // SAFETY: each pointer is used while `pieces`, which own the memory, are kept alive.
      let slices = unsafe pieces.map { unsafe $0.withBytes { unsafe $0 } }
      defer { withExtendedLifetime(pieces) {} }
      return unsafe header.encrypt(gathering: slices)
    } catch {
      throw .memoryUnavailable
    }
  }

  /// The plaintext of `blob`, an age file of these bytes.
  ///
  /// - Throws: ``VaultError/objectDamaged(_:)``; ``VaultError/keyWithheld(_:)`` if it is for a key that is none of these, and
  ///   there are such.
  func decrypt(_ file: [UInt8], of blob: ObjectName) throws(VaultError) -> WipedBuffer {
    guard EpochKeys.hasOneRecipient(file) else { throw .objectDamaged(blob) }
    do {
      return unsafe try AgeFile.decrypt(file.span.bytes, with: identities)
    } catch .memoryUnavailable {
      throw .memoryUnavailable
    } catch .noIdentityMatched where !isComplete {
      throw .keyWithheld(blob)
    } catch {
      throw .objectDamaged(blob)
    }
  }

  /// Whether an age file's header ends where that of one X25519 recipient does: no other has one stanza of that length which a key opens.
  private static func hasOneRecipient(_ file: [UInt8]) -> Bool {
    // "age-encryption.org/v1", "-> X25519 " with 43 digits, 43 digits, "--- ", each on its line.
    let end = 22 + 54 + 44
    return file.count > end + 4 && file[end - 1] == 0x0A && file[end..<end + 4].elementsEqual("--- ".utf8)
  }

  /// Fills the stock of headers, in the background.
  func prepareAhead() { refill() }

  private func refill() {
    guard let prepared, prepared.count < EpochKeys.stock / 2 else { return }
    // A header that cannot be made here is made, or fails, in the next write.
    refilling.async { try? prepared.refill() }
  }
}
