package ai.realm.runtime;

import ai.realm.testing.guest.SentByGuest;

/// What a guest sent.
final class Sent extends SentByGuest implements GuestOutput {}
