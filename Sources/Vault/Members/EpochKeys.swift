internal import Age
internal import Dispatch
internal import GitStore
internal import SecretMemory

/// The vault keys that this node holds, one age identity for each epoch.
///
/// New objects are sealed under the newest. Headers for them are prepared ahead, off the writers' way: a header does not depend on what it heads.
final class EpochKeys: Sendable {
  private let identities: [X25519Identity]
  private let prepared: HeaderPool
  private let refilling = DispatchQueue(label: "polykey.headers", qos: .utility)

  /// Headers kept ready: a burst of writes that is longer pays for its own.
  private static let stock = 256

  /// Opens the keys of `membership` that are encrypted to `identity`.
  ///
  /// - Throws: ``VaultError/notAMember`` if none is.
  init(of membership: Membership, in repository: Repository, identity: Identity) throws(VaultError) {
    var identities: [X25519Identity] = []
    for (_, blob) in membership.keys.sorted(by: { $0.key > $1.key }) {
      if let key = try EpochKeys.open(try repository.loadBlob(blob), with: identity) { identities.append(key) }
    }
    guard let newest = identities.first else { throw .notAMember }
    self.identities = identities
    prepared = HeaderPool(for: newest.recipient, capacity: EpochKeys.stock)
  }

  /// The identity in a key file; nil if the file is for others.
  private static func open(_ file: [UInt8], with identity: Identity) throws(VaultError) -> X25519Identity? {
    do {
      let text = unsafe try AgeFile.decrypt(file.span.bytes, with: [identity.decryption])
      return try text.withBytes { bytes throws(AgeError) in try KeyFile.identities(in: bytes) }.first
    } catch .noIdentityMatched {
      return nil
    } catch .memoryUnavailable {
      throw .memoryUnavailable
    } catch {
      throw .objectDamaged(ObjectName.of(.blob, file))
    }
  }

  /// The key file of a vault's first epoch and its empty list of people, for one owner.
  static func first(for owner: Identity) throws(VaultError) -> (file: [UInt8], people: [UInt8]) {
    do {
      let key = try X25519Identity().encoded()
      let file = try key.withBytes { bytes throws(AgeError) in
        try AgeFile.encrypt(bytes, to: [owner.decryption.recipient])
      }
      return (file, try AgeFile.encrypt(RawSpan(), to: [owner.decryption.recipient]))
    } catch {
      throw .memoryUnavailable
    }
  }

  /// An age file of the pieces one after the other.
  func encrypt(_ pieces: [PlainBytes]) throws(VaultError) -> [UInt8] {
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

  /// An age file's plaintext; nil if it is damaged or under a key that this node does not hold.
  func decrypt(_ file: [UInt8]) throws(VaultError) -> WipedBuffer? {
    do {
      return unsafe try AgeFile.decrypt(file.span.bytes, with: identities)
    } catch .memoryUnavailable {
      throw .memoryUnavailable
    } catch {
      return nil
    }
  }

  /// Fills the stock of headers, in the background.
  func prepareAhead() { refill() }

  private func refill() {
    guard prepared.count < EpochKeys.stock / 2 else { return }
    // A header that cannot be made here is made, or fails, in the next write.
    refilling.async { [prepared] in try? prepared.refill() }
  }
}
