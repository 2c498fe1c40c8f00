// Has moov-io/iso8583 read and write messages of ours, or says how long that takes it.
//
// usage: moov decode|speed ROWS     ROWS is a folder of what `iso8583 dialect-show --json` prints, a file for each dialect
//
// Each line of standard input is {"id","dialect","hex"}. decode writes {"id","mti","fields","hex"} for each, hex being what
// Moov packs from the fields that it read, or {"id","error"}, or {"id","cannot"} where Moov has no means; speed writes one
// object of nanoseconds, the ids being its keys' endings.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/field"
)

type request struct {
	ID      string `json:"id"`
	Dialect string `json:"dialect"`
	Hex     string `json:"hex"`
}

type answer struct {
	ID     string            `json:"id"`
	MTI    string            `json:"mti,omitempty"`
	Fields map[string]string `json:"fields,omitempty"`
	Hex    string            `json:"hex,omitempty"`
	Error  string            `json:"error,omitempty"`
	Cannot string            `json:"cannot,omitempty"`
}

// failed tells what Moov has no means for from what it should have been able to do.
func (answered answer) failed(err error) answer {
	var missing noPart
	if errors.As(err, &missing) {
		answered.Cannot = missing.Error()
	} else {
		answered.Error = err.Error()
	}
	return answered
}

var dialects = map[string]*dialect{}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: moov decode|speed ROWS")
	}
	out := json.NewEncoder(os.Stdout)
	figures := map[string]float64{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatal(err)
		}
		if os.Args[1] == "speed" {
			if err := measure(asked, figures); err != nil {
				log.Fatal(err)
			}
		} else if err := out.Encode(decode(asked)); err != nil {
			log.Fatal(err)
		}
	}
	if os.Args[1] == "speed" {
		if err := out.Encode(figures); err != nil {
			log.Fatal(err)
		}
	}
}

func decode(asked request) answer {
	answered := answer{ID: asked.ID}
	spec, header, body, err := prepared(asked)
	if err != nil {
		return answered.failed(err)
	}
	message := iso8583.NewMessage(spec)
	if err := message.Unpack(body); err != nil {
		return answered.failed(err)
	}
	answered.MTI, answered.Fields = read(message)
	values, err := contents(message)
	if err == nil {
		body, err = encode(spec, answered.MTI, values)
	}
	if err != nil {
		return answered.failed(err)
	}
	answered.Hex = strings.ToUpper(hex.EncodeToString(append(header, body...)))
	return answered
}

func prepared(asked request) (spec *iso8583.MessageSpec, header, body []byte, err error) {
	dialect := dialects[asked.Dialect]
	if dialect == nil {
		if dialect, err = readDialect(os.Args[2], asked.Dialect); err != nil {
			return nil, nil, nil, err
		}
		dialects[asked.Dialect] = dialect
	}
	body, err = hex.DecodeString(asked.Hex)
	if err == nil && len(body) < dialect.header {
		err = fmt.Errorf("%d bytes, and the header has %d", len(body), dialect.header)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	return dialect.spec, body[:dialect.header:dialect.header], body[dialect.header:], nil
}

func read(message *iso8583.Message) (string, map[string]string) {
	fields := map[string]string{}
	for number, element := range message.GetFields() {
		if third, several := element.(*field.Composite); several {
			for inner, element := range third.GetSubfields() {
				number, _ := strconv.Atoi(inner)
				fields[strconv.Itoa(beforeThird+number)], _ = element.String()
			}
		} else if number > 1 {
			fields[strconv.Itoa(number)], _ = element.String()
		}
	}
	mti, _ := message.GetMTI()
	return mti, fields
}

// What a program would put into a new message: text or bytes.
type content struct {
	number int
	text   string
	bytes  []byte
}

func contents(message *iso8583.Message) ([]content, error) {
	var all []content
	for number, element := range message.GetFields() {
		if number < 2 {
			continue
		}
		value := content{number: number}
		var err error
		switch element.(type) {
		case *field.Hex, *field.Composite:
			value.bytes, err = element.Bytes()
		default:
			value.text, err = element.String()
		}
		if err != nil {
			return nil, err
		}
		all = append(all, value)
	}
	return all, nil
}

// encode puts the contents into a new message and packs it: what a program does that answers a request.
func encode(spec *iso8583.MessageSpec, mti string, values []content) ([]byte, error) {
	message := iso8583.NewMessage(spec)
	message.MTI(mti)
	for _, value := range values {
		var err error
		if value.bytes != nil {
			err = message.BinaryField(value.number, value.bytes)
		} else {
			err = message.Field(value.number, value.text)
		}
		if err != nil {
			return nil, err
		}
	}
	return message.Pack()
}

func measure(asked request, figures map[string]float64) error {
	spec, _, body, err := prepared(asked)
	if err != nil {
		return err
	}
	message := iso8583.NewMessage(spec)
	if err := message.Unpack(body); err != nil {
		return err
	}
	mti, _ := read(message)
	values, err := contents(message)
	if err != nil {
		return err
	}
	packed, err := encode(spec, mti, values)
	if err != nil {
		return err
	}
	if !bytes.Equal(packed, body) {
		return fmt.Errorf("Moov packs other bytes than it was given")
	}
	nanoseconds(figures, "moov_decode"+asked.ID, func() error { return iso8583.NewMessage(spec).Unpack(body) })
	nanoseconds(figures, "moov_encode"+asked.ID, func() error {
		_, err := encode(spec, mti, values)
		return err
	})
	return nil
}
