package iam

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// KeyringDir is the name of the directory of the encryption keys in the data
// directory.
const KeyringDir = "encryption-keys"

// Keyring encrypts secrets that are kept in the database, so that the database
// alone reveals none of them. It is safe for concurrent use, by several
// processes on one directory too.
//
// Each secret is encrypted with AES-256-GCM under a key of its own, and that one
// under the newest of the keyring's versions. A version is a file of its own in
// the directory, readable by its owner only, made once and never changed: adding
// one can lose none. Older versions go on opening what they sealed, so none may
// be removed while something sealed under it is left. All nodes of one database
// need the same files.
type Keyring struct {
	dir string

	mu      sync.RWMutex
	keys    map[string]cipher.AEAD // by id
	current string                 // id of the newest
	number  int                    // version of the newest
}

// ErrUnknownKey means that a secret was sealed under a key that this keyring
// does not have: the files were not copied from the node that made it, or one
// was removed.
var ErrUnknownKey = errors.New("it was sealed under an encryption key that this node does not have")

// keyringFile is the content of a version's file. The id names the version and
// tells keys of the same number apart that two nodes made each for itself.
type keyringFile struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Key     []byte    `json:"key"`
}

// OpenKeyring reads the keyring of a data directory, and makes its first version
// if it has none.
func OpenKeyring(data string) (*Keyring, error) {
	k := &Keyring{dir: filepath.Join(data, KeyringDir)}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the encryption keys: %w", err)
	}
	if err := k.load(); err != nil {
		return nil, err
	}
	if k.current == "" {
		if _, err := k.Rotate(); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// load reads all versions.
func (k *Keyring) load() error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return fmt.Errorf("reading the encryption keys: %w", err)
	}
	keys, current, newest := map[string]cipher.AEAD{}, "", 0
	for _, entry := range entries {
		number, found := versionOf(entry.Name())
		if !found {
			continue
		}
		var content keyringFile
		if err := readPrivate(filepath.Join(k.dir, entry.Name()), &content); err != nil {
			return fmt.Errorf("reading an encryption key: %w", err)
		}
		aead, err := newAEAD(content.Key)
		if err != nil || content.ID == "" {
			return fmt.Errorf("encryption key %s is damaged", filepath.Join(k.dir, entry.Name()))
		}
		keys[content.ID] = aead
		if number > newest {
			current, newest = content.ID, number
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys, k.current, k.number = keys, current, newest
	return nil
}

// versionOf reads the number in the name of a version's file.
func versionOf(file string) (int, bool) {
	text, found := strings.CutSuffix(file, ".json")
	number, err := strconv.Atoi(text)
	return number, found && err == nil && number > 0
}

// Rotate adds a version, under which everything is sealed from now on, and
// returns its id. If another process adds one at the same time, both use that
// one.
func (k *Keyring) Rotate() (string, error) {
	if err := k.load(); err != nil {
		return "", err
	}
	k.mu.RLock()
	next := strconv.Itoa(k.number + 1)
	k.mu.RUnlock()
	content := keyringFile{ID: next + "-" + strings.ToLower(rand.Text()[:8]), Created: time.Now().UTC(), Key: newDataKey()}
	if err := createPrivate(filepath.Join(k.dir, next+".json"), content); err != nil {
		return "", fmt.Errorf("making an encryption key: %w", err)
	}
	if err := k.load(); err != nil {
		return "", err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.current, nil
}

// sealedFormat begins every sealed secret.
const sealedFormat = "penstock1"

// Seal encrypts a secret. about says what it is, such as "access key AKIA…": it
// is not encrypted, and Open wants to hear the same, so that a sealed secret
// cannot be put into the place of another.
func (k *Keyring) Seal(secret []byte, about string) (string, error) {
	// Another process may have added a version.
	if err := k.load(); err != nil {
		return "", err
	}
	k.mu.RLock()
	id, outer := k.current, k.keys[k.current]
	k.mu.RUnlock()
	if outer == nil {
		return "", fmt.Errorf("sealing %s: there is no encryption key in %s", about, k.dir)
	}
	data := newDataKey()
	inner, err := newAEAD(data)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return strings.Join([]string{
		sealedFormat, id,
		encode(outer.Seal(nil, nil, data, []byte(id+"\x00"+about))),
		encode(inner.Seal(nil, nil, secret, []byte(about))),
	}, "."), nil
}

// Open decrypts what Seal made. The error is ErrUnknownKey if the version is
// missing here.
func (k *Keyring) Open(sealed, about string) ([]byte, error) {
	fields := strings.Split(sealed, ".")
	if len(fields) != 4 || fields[0] != sealedFormat {
		return nil, fmt.Errorf("opening %s: unknown format of a sealed secret", about)
	}
	outer, err := k.version(fields[1])
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", about, err)
	}
	data, err := openPart(outer, fields[2], fields[1]+"\x00"+about)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", about, err)
	}
	inner, err := newAEAD(data)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", about, err)
	}
	secret, err := openPart(inner, fields[3], about)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", about, err)
	}
	return secret, nil
}

// SealedUnderNewest reports whether a sealed secret is of the newest version. If
// not, sealing it anew brings it there.
func (k *Keyring) SealedUnderNewest(sealed string) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return strings.HasPrefix(sealed, sealedFormat+"."+k.current+".")
}

// version finds a version, looking for new files if it has to.
func (k *Keyring) version(id string) (cipher.AEAD, error) {
	for _, again := range []bool{false, true} {
		if again {
			if err := k.load(); err != nil {
				return nil, err
			}
		}
		k.mu.RLock()
		aead := k.keys[id]
		k.mu.RUnlock()
		if aead != nil {
			return aead, nil
		}
	}
	return nil, fmt.Errorf("%w: %s is not in %s; copy it from the node that has it", ErrUnknownKey, id, k.dir)
}

func openPart(aead cipher.AEAD, text, about string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("the sealed secret is damaged")
	}
	plain, err := aead.Open(nil, nil, b, []byte(about))
	if err != nil {
		return nil, errors.New("the sealed secret is damaged, or belongs to something else")
	}
	return plain, nil
}

func newDataKey() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return key
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, errors.New("an encryption key has 32 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
