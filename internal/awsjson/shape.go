package awsjson

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// kind is how a Go type is read from JSON.
type kind int

const (
	kindString kind = iota + 1
	kindBoolean
	kindInteger
	kindFloat
	kindBlob
	kindCustom // json.Unmarshaler, such as api.Timestamp
	kindAny
	kindPointer
	kindList
	kindMap
	kindStructure
)

// shape is a type prepared for decoding. Shapes of recursive types are cyclic.
type shape struct {
	kind kind
	typ  reflect.Type
	// elem is the shape of what a pointer, list or map holds.
	elem *shape
	// javaName is how AWS front ends call a number type in their errors.
	javaName string
	// members are keyed by their names on the wire, which are case-sensitive.
	members map[string]member
}

type member struct {
	index int
	shape *shape
}

// shapeTable makes one shape for each type.
type shapeTable map[reflect.Type]*shape

// of returns the shape of a type. It panics for a type that no service model
// leads to.
func (t shapeTable) of(typ reflect.Type) *shape {
	if s, ok := t[typ]; ok {
		return s
	}
	s := &shape{typ: typ}
	t[typ] = s
	if typ.Kind() != reflect.Pointer && reflect.PointerTo(typ).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		s.kind = kindCustom
		return s
	}
	switch typ.Kind() {
	case reflect.String:
		s.kind = kindString
	case reflect.Bool:
		s.kind = kindBoolean
	case reflect.Int, reflect.Int32:
		s.kind, s.javaName = kindInteger, "Integer"
	case reflect.Int64:
		s.kind, s.javaName = kindInteger, "Long"
	case reflect.Float32:
		s.kind, s.javaName = kindFloat, "Float"
	case reflect.Float64:
		s.kind, s.javaName = kindFloat, "Double"
	case reflect.Interface:
		s.kind = kindAny
	case reflect.Pointer:
		s.kind, s.elem = kindPointer, t.of(typ.Elem())
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			s.kind = kindBlob
			break
		}
		s.kind, s.elem = kindList, t.of(typ.Elem())
	case reflect.Map:
		if typ.Key().Kind() != reflect.String {
			panic(fmt.Sprintf("%s cannot be decoded: its keys are not strings", typ))
		}
		s.kind, s.elem = kindMap, t.of(typ.Elem())
	case reflect.Struct:
		s.kind, s.members = kindStructure, t.membersOf(typ)
	default:
		panic(fmt.Sprintf("%s cannot be decoded", typ))
	}
	return s
}

func (t shapeTable) membersOf(typ reflect.Type) map[string]member {
	members := map[string]member{}
	for field := range typ.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		members[name] = member{field.Index[0], t.of(field.Type)}
	}
	return members
}
